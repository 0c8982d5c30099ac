//! A lab from the command line, for trying the driver out:
//! `lab --state /tmp/lab-x create web-1`. Also the helper the lab starts its
//! background processes with.

use std::{path::PathBuf, sync::Arc, time::Instant};

use base::{HostName, Release};
use clap::{Parser, Subcommand};
use providers::{
    HostSpec, SnapshotName, VpsProvider,
    lab::{self, Lab, LabConfig},
};

#[derive(Parser)]
struct Arguments {
    /// The lab's folder.
    #[arg(long, global = true, default_value = "/var/lib/holdfast-lab")]
    state: PathBuf,
    /// A cache shared between labs.
    #[arg(long, global = true)]
    cache: Option<PathBuf>,
    /// Keep the disks of a new lab as plain folders.
    #[arg(long, global = true)]
    plain_disks: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Create a host and wait until cloud-init is done.
    Create {
        name: HostName,
        #[arg(long, default_value = "debian-12")]
        release: Release,
        /// A file with cloud-init user-data.
        #[arg(long)]
        user_data: Option<PathBuf>,
    },
    List,
    Start {
        name: HostName,
    },
    Stop {
        name: HostName,
    },
    Reboot {
        name: HostName,
    },
    PowerCut {
        name: HostName,
    },
    Snapshot {
        name: HostName,
        snapshot: SnapshotName,
    },
    Restore {
        name: HostName,
        snapshot: SnapshotName,
    },
    Destroy {
        name: HostName,
    },
    /// Run a program in a host.
    Exec {
        name: HostName,
        #[arg(trailing_var_arg = true, required = true)]
        argv: Vec<String>,
    },
    Doctor,
    Clean,
    CleanAll,
    #[command(hide = true)]
    Mirror,
    #[command(hide = true)]
    Supervise {
        name: HostName,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.verb {
        Verb::Mirror => return Ok(lab::serve_mirror(&arguments.state).await?),
        Verb::Supervise { name } => return Ok(lab::supervise(&arguments.state, name).await?),
        Verb::Clean => return Ok(lab::clean(&arguments.state).await?),
        Verb::CleanAll => {
            println!("{:?}", lab::clean_all().await?);
            return Ok(());
        }
        Verb::Doctor => {
            for finding in lab::doctor(&arguments.state) {
                println!("{:?}: {}. Hint: {}", finding.severity, finding.what, finding.hint);
            }
            return Ok(());
        }
        _ => {}
    }
    let mut config = LabConfig::new(&arguments.state, vec![std::env::current_exe()?.into()]);
    if let Some(cache) = arguments.cache {
        config.cache_dir = cache;
    }
    config.plain_disks = arguments.plain_disks;
    config.progress = Some(Arc::new(|progress| eprintln!("{:3} % {}", progress.percent, progress.message)));
    let started = Instant::now();
    let lab = Lab::open(config).await?;
    match arguments.verb {
        Verb::Create { name, release, user_data } => {
            let user_data = match user_data {
                Some(path) => std::fs::read_to_string(path)?,
                None => "#cloud-config\nssh_pwauth: false\n".to_owned(),
            };
            let host = lab.create(&HostSpec { name: name.clone(), release, user_data }).await?;
            println!("{host:?}");
            eprintln!("running after {:.1?}", started.elapsed());
            print!("{}", lab.exec(&name, ["cloud-init", "status", "--wait"]).await?.stdout);
        }
        Verb::List => {
            for host in lab.list().await? {
                println!("{} {} {} {} {:?}", host.name, host.release, host.ipv4, host.ipv6, host.state);
            }
        }
        Verb::Start { name } => lab.start(&name).await?,
        Verb::Stop { name } => lab.stop(&name).await?,
        Verb::Reboot { name } => lab.reboot(&name).await?,
        Verb::PowerCut { name } => lab.power_cut(&name).await?,
        Verb::Snapshot { name, snapshot } => println!("{:?}", lab.take_snapshot(&name, &snapshot).await?),
        Verb::Restore { name, snapshot } => println!("{:?}", lab.restore(&name, &snapshot).await?),
        Verb::Destroy { name } => lab.destroy(&name).await?,
        Verb::Exec { name, argv } => {
            let output = lab.exec(&name, argv).await?;
            print!("{}", output.stdout);
            eprint!("{}", output.stderr);
            std::process::exit(output.code.unwrap_or(255));
        }
        Verb::Doctor | Verb::Clean | Verb::CleanAll | Verb::Mirror | Verb::Supervise { .. } => {}
    }
    eprintln!("took {:.1?}", started.elapsed());
    Ok(())
}

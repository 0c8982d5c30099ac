//! The name server and the CA of the trial, on loopback ports of their own. They end with the
//! trial, also when it is killed.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::command;

/// Both start within a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// The zone of the trial.
pub const ZONE: &str = "lab.test";

struct Program {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts it and waits until it prints `ready`.
    fn start(line: &[&str], variables: &[(&str, &str)], ready: &str) -> Result<Self> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(line)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", line.join(" ")))?;
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (sender, is_ready) = mpsc::channel();
        let out = child.stdout.take().map(|out| Box::new(out) as Box<dyn std::io::Read + Send>);
        let err = child.stderr.take().map(|err| Box::new(err) as Box<dyn std::io::Read + Send>);
        for stream in [out, err].into_iter().flatten() {
            let (printed, sender, ready) = (printed.clone(), sender.clone(), ready.to_owned());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if line.contains(&ready) {
                        let _ = sender.send(());
                    }
                    if let Ok(mut printed) = printed.lock() {
                        printed.push(line);
                    }
                }
            });
        }
        let program = Self { child, printed };
        if is_ready.recv_timeout(START).is_err() {
            bail!("`{}` did not start: {}", line.join(" "), program.said().join("\n"));
        }
        Ok(program)
    }

    fn said(&self) -> Vec<String> {
        self.printed.lock().map(|printed| printed.clone()).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name server that takes updates of TXT records in [`ZONE`].
pub struct Bind {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// A file with the secret of the key `holdfast`.
    pub secret_file: PathBuf,
    /// The secret.
    pub secret: String,
    folder: PathBuf,
    program: Option<Program>,
}

impl Bind {
    /// Starts it with its files in this folder.
    pub fn start(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let secret = command::output("openssl", &["rand", "-base64", "32"])?.trim().to_owned();
        let secret_file = folder.join("secret");
        std::fs::write(&secret_file, &secret)?;
        let zone = "$TTL 60\n@ SOA ns admin 1 60 60 600 60\n@ NS ns\nns A 127.0.0.1\n";
        std::fs::write(folder.join("zone.db"), zone)?;
        let place = folder.display();
        let configuration = format!(
            "options {{ directory \"{place}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
               pid-file \"{place}/named.pid\"; session-keyfile \"{place}/session.key\"; lock-file none;
               dnssec-validation no; recursion yes; allow-recursion {{ 127.0.0.1; }}; }};
             controls {{}};
             key holdfast {{ algorithm hmac-sha256; secret \"{secret}\"; }};
             zone {ZONE} {{ type primary; file \"zone.db\"; update-policy {{ grant holdfast zonesub TXT; }}; }};\n"
        );
        std::fs::write(folder.join("named.conf"), configuration)?;
        let mut bind = Self { port, secret_file, secret, folder, program: None };
        bind.resume()?;
        Ok(bind)
    }

    /// Where it answers.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<()> {
        let configuration = path(&self.folder.join("named.conf"))?;
        self.program = Some(Program::start(
            &["/usr/sbin/named", "-f", "-g", "-c", &configuration],
            &[],
            "all zones loaded",
        )?);
        Ok(())
    }
}

/// A CA that asks this name server, and rejects some good nonces.
pub struct Pebble {
    /// Its directory.
    pub directory: String,
    /// The root of its own address, PEM.
    pub https_root: PathBuf,
    /// The root of the certificates that it issues, PEM.
    pub root: PathBuf,
    program: Program,
}

impl Pebble {
    /// Starts it with its files in this folder.
    pub fn start(folder: PathBuf, dns: &str) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let file = |name: &str| path(&folder.join(name));
        https_identity(&folder)?;
        let (port, management) = (free_port()?, free_port()?);
        let configuration = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("leaf.pem")?,
            "privateKey": file("leaf.key")?,
            "httpPort": 5002,
            "tlsPort": 5001,
            "externalAccountBindingRequired": false,
        }});
        std::fs::write(folder.join("pebble.json"), configuration.to_string())?;
        // A client gives a request up after three bad nonces in a row: often enough to be seen here,
        // too seldom to make another order.
        let variables =
            [("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0"), ("PEBBLE_WFE_NONCEREJECT", "5")];
        let line = ["pebble", "-config", &file("pebble.json")?, "-dnsserver", dns];
        let program = Program::start(&line, &variables, "ACME directory available at")?;
        let root = folder.join("issued-root.pem");
        let https_root = folder.join("root.pem");
        let address = format!("https://127.0.0.1:{management}/roots/0");
        let issued = command::output(
            "curl",
            &[
                "-sS",
                "--fail",
                "--retry",
                "30",
                "--retry-connrefused",
                "--cacert",
                &path(&https_root)?,
                &address,
            ],
        )?;
        std::fs::write(&root, issued)?;
        Ok(Self { directory: format!("https://127.0.0.1:{port}/dir"), https_root, root, program })
    }

    /// Orders that it has taken. Requests for them are more: some fail by their nonce.
    pub fn orders(&self) -> usize {
        self.program.said().iter().filter(|line| line.contains("Added order")).count()
    }

    /// Nonces that it rejected although they were good.
    pub fn rejected_nonces(&self) -> usize {
        self.program.said().iter().filter(|line| line.to_lowercase().contains("nonce")).count()
    }
}

/// A root and, signed by it, a certificate for 127.0.0.1: clients refuse a root that serves.
fn https_identity(folder: &Path) -> Result<()> {
    let file = |name: &str| path(&folder.join(name));
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let (root, root_key, leaf, leaf_key) =
        (file("root.pem")?, file("root.key")?, file("leaf.pem")?, file("leaf.key")?);
    let ca = ["req", "-x509", "-subj", "/CN=trial root", "-keyout", &root_key, "-out", &root];
    command::output("openssl", &[&ca[..], &new_key].concat())?;
    let signed = [
        "req",
        "-x509",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-CA",
        &root,
        "-CAkey",
        &root_key,
        "-keyout",
        &leaf_key,
        "-out",
        &leaf,
    ];
    command::output("openssl", &[&signed[..], &new_key].concat()).map(drop)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A path as an argument.
pub fn path(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).context("a path that is no text")
}

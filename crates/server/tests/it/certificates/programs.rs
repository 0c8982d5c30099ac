//! BIND and Pebble as programs of a test: on free loopback ports, in a folder that goes with
//! them, ended when the test ends, however it ends.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

/// Both start within a second; a busy machine takes its time.
const START: Duration = Duration::from_secs(30);

/// The secret of the update key, as name servers write it.
pub const SECRET: &str = "aG9sZGZhc3QgdGVzdCBzZWNyZXQgZm9yIEJJTkQgMDE=";

/// What is missing on this machine for these tests.
pub fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into()]).collect();
    let has = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let needed = [
        ("named", "bind9"),
        ("dig", "bind9-dnsutils"),
        ("pebble", "pebble"),
        ("setpriv", "util-linux"),
        ("curl", "curl"),
    ];
    needed.into_iter().find(|(program, _)| !has(program)).map(|(_, package)| package)
}

/// Without both nothing is proven: where the whole suite runs, that is a failure.
pub fn skip_or_fail(package: &str) {
    let what = format!("certificates were not issued: install `{package}`");
    assert!(std::env::var_os("HOLDFAST_WHOLE_SUITE").is_none(), "{what}");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {what}\n");
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running program and what it has printed.
struct Program {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts it and waits until it prints `ready`.
    fn start(command: &[&str], variables: &[(&str, &str)], ready: &str) -> Self {
        // It dies with this process, also when that is killed.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .envs(variables.iter().copied())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (sender, is_ready) = mpsc::channel();
        let out = Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>;
        let err = Box::new(child.stderr.take().unwrap());
        for stream in [out, err] {
            let (printed, sender, ready) = (printed.clone(), sender.clone(), ready.to_owned());
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if line.contains(&ready) {
                        let _ = sender.send(());
                    }
                    printed.lock().unwrap().push(line);
                }
            });
        }
        if is_ready.recv_timeout(START).is_err() {
            let _ = child.kill();
            panic!("`{}` did not start: {:#?}", command.join(" "), printed.lock().unwrap());
        }
        Self { child, printed }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name server with the zones `hosts.test`, which takes updates, and `front.test`, which
/// takes none and leads into it.
pub struct Bind {
    /// Where it answers.
    pub address: SocketAddr,
    /// Where its secondary answers, once it is started.
    pub secondary_address: SocketAddr,
    program: Option<Program>,
    secondary: Option<Program>,
    folder: PathBuf,
}

impl Bind {
    /// Starts it with its files below this folder.
    pub fn start(folder: &Path) -> Self {
        let folder = folder.join("bind");
        std::fs::create_dir_all(&folder).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let secondary_address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (port, second) = (address.port(), secondary_address.port());
        let place = folder.display();
        let options = |port: u16, name: &str| {
            format!(
                "options {{ directory \"{place}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
                   pid-file \"{place}/{name}.pid\"; session-keyfile \"{place}/{name}.key\"; lock-file none;
                   dnssec-validation no; recursion yes; allow-recursion {{ 127.0.0.1; }}; notify explicit;
                   notify-delay 0; }};
                 controls {{}};\n"
            )
        };
        let zone = "$TTL 60\n@ SOA ns admin 1 60 60 600 60\n@ NS ns\nns A 127.0.0.1\n";
        std::fs::write(folder.join("hosts.db"), zone).unwrap();
        let front = format!(
            "{zone}_acme-challenge.web-1 CNAME web-1.hosts.test.\n_acme-challenge.loop CNAME b\nb CNAME _acme-challenge.loop\n"
        );
        std::fs::write(folder.join("front.db"), front).unwrap();
        let configuration = format!(
            "{}
             key holdfast {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};
             key onlooker {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};
             zone hosts.test {{ type primary; file \"hosts.db\"; update-policy {{ grant holdfast zonesub TXT; }};
               allow-transfer {{ 127.0.0.1; }}; also-notify {{ 127.0.0.1 port {second}; }}; }};
             zone front.test {{ type primary; file \"front.db\"; }};\n",
            options(port, "named")
        );
        std::fs::write(folder.join("named.conf"), configuration).unwrap();
        let configuration = format!(
            "{} zone hosts.test {{ type secondary; primaries port {port} {{ 127.0.0.1; }}; file \"hosts.copy\"; }};\n",
            options(second, "second")
        );
        std::fs::write(folder.join("second.conf"), configuration).unwrap();
        let mut bind = Self { address, secondary_address, program: None, secondary: None, folder };
        bind.resume();
        bind
    }

    /// Ends it, as when its machine goes down.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Starts its secondary, and waits until that has the zone.
    pub fn start_secondary(&mut self) {
        let configuration = self.folder.join("second.conf");
        let command = ["named", "-f", "-g", "-c", configuration.to_str().unwrap()];
        self.secondary = Some(Program::start(&command, &[], "Transfer status: success"));
    }

    /// Starts it again with what it had.
    pub fn resume(&mut self) {
        let configuration = self.folder.join("named.conf");
        let command = ["named", "-f", "-g", "-c", configuration.to_str().unwrap()];
        self.program = Some(Program::start(&command, &[], "all zones loaded"));
    }

    /// The TXT values of a name.
    pub fn texts(&self, name: &str) -> String {
        let port = self.address.port().to_string();
        let dig =
            Command::new("dig").args(["+short", "+tcp", "-p", &port, "@127.0.0.1", "TXT", name]).output();
        String::from_utf8(dig.unwrap().stdout).unwrap().trim().to_owned()
    }
}

/// A CA.
pub struct Pebble {
    /// Its directory.
    pub directory: String,
    /// The root that its own address is checked by.
    pub root: PathBuf,
    program: Program,
}

impl Pebble {
    /// Starts it with its files below this folder, asking this name server. It rejects so many
    /// of a hundred good nonces.
    pub fn start(folder: &Path, dns: SocketAddr, rejected_nonces: u8) -> Self {
        let folder = folder.join("pebble");
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (ca, leaf, key) = https_identity();
        std::fs::write(file("root.pem"), ca).unwrap();
        std::fs::write(file("certificate.pem"), leaf).unwrap();
        std::fs::write(file("key.pem"), key).unwrap();
        let (port, management) = (free_port(), free_port());
        let configuration = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("certificate.pem"),
            "privateKey": file("key.pem"),
            "httpPort": 5002,
            "tlsPort": 5001,
            "externalAccountBindingRequired": false,
        }});
        std::fs::write(file("pebble.json"), configuration.to_string()).unwrap();
        let (rejected, dns) = (rejected_nonces.to_string(), dns.to_string());
        let variables = [
            ("PEBBLE_VA_NOSLEEP", "1"),
            ("PEBBLE_AUTHZREUSE", "0"),
            ("PEBBLE_WFE_NONCEREJECT", rejected.as_str()),
        ];
        let command = ["pebble", "-config", &file("pebble.json"), "-dnsserver", &dns];
        let program = Program::start(&command, &variables, "ACME directory available at");
        // It says so before it listens.
        let until = std::time::Instant::now() + START;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < until, "Pebble does not listen");
            std::thread::yield_now();
        }
        Self { directory: format!("https://127.0.0.1:{port}/dir"), root: file("root.pem").into(), program }
    }

    /// How many requests of this kind it was sent, such as `/order-plz`.
    pub fn requests(&self, path: &str) -> usize {
        // What it has printed may still be on its way: with a request of our own, all before it
        // are here.
        let before = self.printed("/dir");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "--noproxy", "*", "--cacert"])
            .arg(&self.root)
            .arg(&self.directory);
        assert!(curl.status().unwrap().success());
        let until = std::time::Instant::now() + START;
        while self.printed("/dir") == before {
            assert!(std::time::Instant::now() < until, "Pebble does not tell of its requests");
            std::thread::yield_now();
        }
        self.printed(path)
    }

    fn printed(&self, path: &str) -> usize {
        let printed = self.program.printed.lock().unwrap();
        let asked = |line: &&String| {
            (line.contains("POST ") || line.contains("GET ") || line.contains("HEAD ")) && line.contains(path)
        };
        printed.iter().filter(asked).count()
    }
}

/// Root, certificate and key of an HTTPS server on a loopback address, PEM. Clients refuse a
/// root that serves by itself.
pub fn https_identity() -> (String, String, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // With the name of the leaf it would look like a certificate that signed itself.
    ca.distinguished_name.push(rcgen::DnType::CommonName, "trial root");
    let root = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    (root, leaf.pem(), key.serialize_pem())
}

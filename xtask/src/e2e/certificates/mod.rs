//! `cargo xtask e2e certificates`: a real host with Nginx gets its certificate from a real CA
//! (Pebble), proven by records at a real name server (BIND), and nothing on it could get
//! another.

mod client;
mod programs;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{host::Host, stage::Stage};
use client::Requests;
use programs::{Bind, Pebble, ZONE, path};

/// The host.
const HOST: &str = "tls-1";
/// An order on a busy machine, with a few rejected nonces.
const ORDER: Duration = Duration::from_secs(120);

struct Trial {
    stage: Stage,
    bind: Bind,
    pebble: Pebble,
}

/// Runs the trial.
pub fn run() -> Result<()> {
    // The programs' files lie beside the stage's data, which it clears when it starts.
    let folder =
        crate::command::binaries().join(super::stage::TRIALS).join(format!("ca-{}", std::process::id()));
    let ran = run_in(&folder);
    if std::env::var_os("HOLDFAST_KEEP_TRIALS").is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    ran
}

fn run_in(folder: &std::path::Path) -> Result<()> {
    let bind = Bind::start(folder.join("bind"))?;
    let pebble = Pebble::start(folder.join("pebble"), &bind.address())?;
    let options = ["--acme-directory", &pebble.directory, "--acme-root", &path(&pebble.https_root)?];
    let stage = Stage::start_with("certificates", &options)?;
    let mut trial = Trial { stage, bind, pebble };
    trial.set_zone(&path(&trial.bind.secret_file)?)?;
    trial.stage.holdfast(&["dns", "zone", "test", ZONE])?;
    println!("zone `{ZONE}`: a challenge record was written, seen and removed");
    trial.first_boot()?;
    let address = {
        let host = trial.host();
        nginx(&host)?;
        host.known()?["ipv4"].as_str().context("no IPv4 address")?.to_owned()
    };
    trial.renew_under_load(&address)?;
    trial.nothing_to_steal()?;
    trial.another_name_is_refused()?;
    trial.name_server_down(&address)?;
    trial.wrong_key(&address)?;
    trial.former_pair_comes_back(&address)?;
    trial.postgresql()
}

impl Trial {
    fn host(&self) -> Host<'_> {
        Host { stage: &self.stage, name: HOST }
    }

    fn set_zone(&self, secret_file: &str) -> Result<()> {
        let server = self.bind.address();
        let line = ["dns", "zone", "set", ZONE, "--server", &server, "--authoritative", &server];
        let key = ["--key-name", "holdfast", "--secret-file", secret_file];
        self.stage.holdfast(&[&line[..], &key].concat()).map(drop)
    }

    /// What is known of the certificate.
    fn known(&self) -> Result<Value> {
        self.stage.json(&["certificate", "show", HOST])
    }

    fn serial(&self) -> Result<String> {
        Ok(self.known()?["serial"].as_str().context("no serial number")?.to_owned())
    }

    fn issue(&self) -> Result<()> {
        self.stage.holdfast(&["certificate", "issue", HOST]).map(drop)
    }

    /// Waits until another certificate than this is in use, by the host's own word.
    fn await_other(&self, former: Option<&str>) -> Result<String> {
        self.stage.until("another certificate is in use", ORDER, || {
            let Ok(known) = self.known() else { return Ok(false) };
            let (serial, served) = (known["serial"].as_str(), &known["served"]);
            Ok(serial.is_some()
                && serial != former
                && served["serial"].as_str() == serial
                && served["fault"].is_null())
        })?;
        self.serial()
    }

    /// Nobody orders it: a server of this purpose asks by itself when it boots first.
    fn first_boot(&self) -> Result<()> {
        let host = Host::provision(&self.stage, HOST, &["--service", "minio"])?;
        let serial = self.await_other(None)?;
        let proof = self.known()?["served"]["proof"].clone();
        ensure!(proof == "not_running", "without a service it is shown: {proof}");
        let mode = host.exec("stat -c '%a %U' /etc/holdfast/tls/current/key.pem")?;
        ensure!(mode.trim() == "600 root", "the key is `{}`", mode.trim());
        ensure!(
            host.exec("systemctl is-enabled holdfast-agent-certificate.timer")?.trim() == "enabled",
            "no timer"
        );
        println!(
            "first boot: serial {serial} in place, {} order, {} lines about nonces at the CA",
            self.pebble.orders(),
            self.pebble.rejected_nonces()
        );
        Ok(())
    }

    /// Many connections while the certificate changes: not one fails.
    fn renew_under_load(&self, address: &str) -> Result<()> {
        let before = self.serial()?;
        ensure!(shown(address)? == before, "Nginx shows something else than what was issued");
        let requests = Requests::begin(address, &self.pebble.root)?;
        self.issue()?;
        let after = self.await_other(Some(&before))?;
        let (answered, whole) = requests.end()?;
        ensure!(shown(address)? == after, "Nginx shows another certificate than the new one");
        ensure!(self.known()?["served"]["proof"] == "served", "the host does not say that it is shown");
        println!(
            "renewed {before} → {after}: {answered} requests and a download of {whole} bytes, none failed"
        );
        Ok(())
    }

    /// No credential on the host, and no private key of the host here.
    fn nothing_to_steal(&self) -> Result<()> {
        let host = self.host();
        let look = |text: &str| -> Result<String> {
            let line = format!(
                "grep -rlIF --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -- '{text}' / 2>/dev/null || true"
            );
            Ok(host.exec(&line)?.trim().to_owned())
        };
        for secret in [self.bind.secret.as_str(), self.pebble.directory.as_str()] {
            let found = look(secret)?;
            ensure!(found.is_empty(), "the host knows the update key or the CA: {found}");
        }
        let keys = look("PRIVATE KEY-----")?;
        let expected =
            ["/etc/holdfast/tls/", "/etc/ssh/ssh_host_", "/var/lib/holdfast-agent/identity/", "/usr/"];
        let strange: Vec<&str> =
            keys.lines().filter(|file| !expected.iter().any(|place| file.starts_with(place))).collect();
        ensure!(strange.is_empty(), "private keys on the host that are not its own: {strange:?}");
        let line = host.exec("sed -n 2p /etc/holdfast/tls/current/key.pem")?;
        let data = path(self.stage.data())?;
        // The host's disk is below the data directory of its lab.
        let search = ["-rlF", "--exclude-dir=lab", "--", line.trim(), &data];
        let here = std::process::Command::new("grep").args(search).output()?;
        ensure!(here.stdout.is_empty(), "the host's private key is on the control plane");
        println!("on the host: neither update key nor account; on the control plane: not the host's key");
        Ok(())
    }

    /// With everything that the host has, it gets no certificate of another name.
    fn another_name_is_refused(&self) -> Result<()> {
        let host = self.host();
        let orders = self.pebble.orders();
        let script = format!(
            r#"set -e; cd $(mktemp -d); umask 077
python3 - <<'END'
import json
identity = json.load(open('/var/lib/holdfast-agent/identity/identity.json'))
for name in ('key', 'certificate', 'ca'): open(name + '.pem', 'w').write(identity[name + '_pem'])
open('url', 'w').write(identity['control_plane_url'])
END
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -subj / \
  -addext subjectAltName=DNS:tls-2.{ZONE} -out other.csr 2>/dev/null
python3 -c "import json; json.dump({{'csr_pem': open('other.csr').read(), 'installed': None, 'fault': None}}, open('body','w'))"
curl -s --cacert ca.pem --cert certificate.pem --key key.pem -H 'content-type: application/json' --data @body \
  -w '%{{http_code}}' "$(cat url)/agent/v1/certificate""#
        );
        let answer = host.exec(&script)?;
        ensure!(
            answer.trim().ends_with("403") && answer.contains("certificate.refused"),
            "it was answered: {answer}"
        );
        let trail = self.stage.trail(HOST)?;
        ensure!(
            trail.iter().any(|line| line == "certificate.request refused"),
            "not in the trail: {trail:?}"
        );
        ensure!(self.pebble.orders() == orders, "the CA was asked");
        println!("a request for another host's name: refused and audited, the CA not asked");
        Ok(())
    }

    fn await_fault(&self, code: &str, words: &str) -> Result<()> {
        self.stage.until("the order has failed", ORDER, || {
            let fault = self.known()?["fault"].clone();
            Ok(fault["code"] == code && fault["found"].as_str().is_some_and(|found| found.contains(words)))
        })
    }

    fn name_server_down(&mut self, address: &str) -> Result<()> {
        let (before, orders) = (self.serial()?, self.pebble.orders());
        self.bind.stop();
        self.issue()?;
        self.await_fault("certificate.dns", "does not answer")?;
        ensure!(self.pebble.orders() == orders, "the CA was bothered although nothing could be proven");
        ensure!(shown(address)? == before, "the former certificate is gone");
        self.bind.resume()?;
        // By itself: the next attempt comes within seconds.
        let after = self.await_other(Some(&before))?;
        let attempts = self.pebble.orders() - orders;
        ensure!(attempts == 1, "{attempts} orders, expected 1");
        println!("name server down: told, no order; up again: {before} → {after} by itself, 1 order");
        Ok(())
    }

    fn wrong_key(&self, address: &str) -> Result<()> {
        let (before, orders) = (self.serial()?, self.pebble.orders());
        let wrong = self.bind.secret_file.with_file_name("wrong");
        std::fs::write(&wrong, "bm90IHRoZSBzZWNyZXQgb2YgdGhlIG5hbWUgc2VydmVy")?;
        self.set_zone(&path(&wrong)?)?;
        self.issue()?;
        self.await_fault("certificate.dns", "does not accept the update key")?;
        let asked = self.pebble.orders() - orders;
        ensure!(asked == 1, "{asked} orders with a wrong key, expected 1");
        ensure!(shown(address)? == before, "the former certificate is gone");
        self.set_zone(&path(&self.bind.secret_file)?)?;
        self.stage.holdfast(&["dns", "zone", "test", ZONE])?;
        self.issue()?;
        let after = self.await_other(Some(&before))?;
        println!("wrong update key: told after 1 order; mended: {before} → {after}");
        Ok(())
    }

    /// A reload that fails brings the former pair back; once it can work, the same chain is
    /// put to use without another order.
    fn former_pair_comes_back(&self, address: &str) -> Result<()> {
        let host = self.host();
        let before = self.serial()?;
        host.exec("echo 'nonsense;' >/etc/nginx/conf.d/nonsense.conf")?;
        let orders = self.pebble.orders();
        self.issue()?;
        self.stage.until("the host has told of its failed reload", ORDER, || {
            let known = self.known()?;
            Ok(known["served"]["fault"].is_string() && known["served"]["serial"] == before.as_str())
        })?;
        ensure!(shown(address)? == before, "the former certificate is not shown");
        let current = host.exec("readlink /etc/holdfast/tls/current")?;
        ensure!(current.trim().ends_with(&before), "the former pair is not back: {current}");
        host.exec("rm /etc/nginx/conf.d/nonsense.conf && systemctl restart --no-block holdfast-agent-certificate.service")?;
        let after = self.await_other(Some(&before))?;
        ensure!(shown(address)? == after, "Nginx shows another certificate than the new one");
        let asked = self.pebble.orders() - orders;
        ensure!(asked == 1, "{asked} orders, expected 1");
        let pairs = host.exec("ls /etc/holdfast/tls/pairs")?;
        ensure!(pairs.trim() == after, "former pairs are left: {pairs}");
        let failed = host.exec("systemctl list-units --state=failed --no-legend --plain")?;
        ensure!(!failed.contains("certificate"), "the certificate's unit counts as failed: {failed}");
        println!("reload failed: former pair back and told; mended: {before} → {after} with the same order");
        Ok(())
    }
}

impl Trial {
    /// The same host shows its certificate by PostgreSQL instead, which reads the key as a
    /// user of its own.
    fn postgresql(&self) -> Result<()> {
        let host = self.host();
        let before = self.serial()?;
        host.exec(
            // In a unit of its own: its scripts use su, which wants a session that can be had.
            "set -e; systemd-run --quiet --wait --collect -E DEBIAN_FRONTEND=noninteractive \
               apt-get -q -y --no-install-recommends install postgresql
             printf '%s\n' \"ssl = on\" \"ssl_cert_file = '/etc/holdfast/tls/current/certificate.pem'\" \
               \"ssl_key_file = '/etc/holdfast/tls/current/key.pem'\" >/etc/postgresql/15/main/conf.d/tls.conf",
        )?;
        self.stage.holdfast(&["certificate", "issue", HOST, "--service", "postgresql"])?;
        let after = self.await_other(Some(&before))?;
        ensure!(self.known()?["served"]["proof"] == "served", "PostgreSQL does not show it");
        let found = host.exec(&format!(
            "openssl s_client -starttls postgres -connect 127.0.0.1:5432 -servername {HOST}.{ZONE} </dev/null 2>/dev/null \
             | openssl x509 -noout -serial"
        ))?;
        ensure!(found.trim().to_ascii_lowercase() == format!("serial={after}"), "PostgreSQL shows {found}");
        let mode = host.exec("stat -L -c '%a %U %G' /etc/holdfast/tls/current/key.pem")?;
        ensure!(mode.trim() == "640 root postgres", "the key is `{}`", mode.trim());
        println!("PostgreSQL: {before} → {after}, shown after a reload");
        Ok(())
    }
}

/// Nginx with the certificate, a page, and something large.
fn nginx(host: &Host<'_>) -> Result<()> {
    let site = format!(
        "server {{ listen 443 ssl; listen [::]:443 ssl; server_name {HOST}.{ZONE}; root /var/www/html;
           ssl_certificate /etc/holdfast/tls/current/certificate.pem;
           ssl_certificate_key /etc/holdfast/tls/current/key.pem; }}"
    );
    host.exec(&format!(
        "set -e; apt-get -q update; DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install nginx-light openssl python3
         rm -f /etc/nginx/sites-enabled/default; echo '{site}' >/etc/nginx/conf.d/site.conf
         echo hello >/var/www/html/index.html; head -c 4194304 /dev/urandom >/var/www/html/large
         systemctl restart nginx.service"
    ))
    .map(drop)
}

/// The serial number that is really shown there.
fn shown(address: &str) -> Result<String> {
    let line = format!(
        "openssl s_client -connect {address}:443 -servername {HOST}.{ZONE} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    let text = crate::command::output("sh", &["-c", &line])?;
    let serial = text.trim().strip_prefix("serial=").context("no certificate is shown")?;
    let serial = serial.to_ascii_lowercase();
    // openssl writes whole bytes.
    Ok(serial)
}

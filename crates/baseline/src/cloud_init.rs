//! The user-data of a first boot: the hardening, and how to find the control plane.
//!
//! Any process on a host can read it from the provider's metadata address, so it
//! carries one secret only, the enrolment token, which dies on first use. It is written
//! as JSON, which every YAML parser reads, so that no value can break out of its place.
//!
//! What belongs to the place a host runs in, not to the host (network, disk growth,
//! package sources, handed-over host keys), is left to the provider's own data.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::{Baseline, BaselineFile, CA_FILE, SCRIPT_FILE, first_boot};

/// The most user-data that is rendered, in bytes. Hetzner takes 32 KiB, DigitalOcean
/// 64 KiB, Linode 65 535 bytes; Vultr names no limit, so the 16 KiB customary among
/// clouds is kept.
pub const MAX_USER_DATA: usize = 16 * 1024;

/// Why no user-data was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// Larger than the strictest provider takes.
    #[error(
        "the user-data has {bytes} bytes, at most {MAX_USER_DATA} are taken everywhere: use fewer operator keys or admin networks"
    )]
    TooLarge {
        /// Size in bytes.
        bytes: usize,
    },
    /// Not an address a script can use safely.
    #[error("`{found}` is not a base address such as `https://203.0.113.4:8443`")]
    ControlPlaneUrl {
        /// What was given, at most 128 characters.
        found: String,
    },
    /// The CA is not a certificate, or brings its private key along. The text is not
    /// repeated.
    #[error("the region's CA must be certificates in PEM and nothing else")]
    CaPem,
    /// The token is not of the agreed form. The text is not repeated.
    #[error("the enrolment token is not URL-safe base64")]
    Token,
}

impl Baseline {
    /// Renders the user-data for one host. The agent that it fetches must have the
    /// digest given.
    pub fn user_data(
        &self,
        bootstrap: &wire::Bootstrap,
        agent_sha256: base::Sha256,
    ) -> Result<String, UserDataError> {
        let ca = &bootstrap.ca_pem;
        if !ca.contains("-----BEGIN CERTIFICATE-----") || ca.contains("PRIVATE KEY") || !ca.is_ascii() {
            return Err(UserDataError::CaPem);
        }
        let token = bootstrap.token.as_bytes();
        if token.is_empty() || !token.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(UserDataError::Token);
        }
        let script = first_boot::script(self, bootstrap, agent_sha256)?;
        let bootstrap = json!({
            "control_plane_url": bootstrap.control_plane_url,
            "ca_pem": bootstrap.ca_pem,
            "public_key_sha256": bootstrap.public_key_sha256,
            "token": bootstrap.token,
        });
        let file = |path: &str, mode: u16, contents: String| {
            json!({
                "path": path,
                "owner": "root:root",
                "permissions": format!("{mode:04o}"),
                "content": contents,
            })
        };
        let mut files: Vec<_> = self
            .files()
            .into_iter()
            .map(|BaselineFile { path, mode, contents, .. }| packed(file(path, mode, contents)))
            .collect();
        files.push(file(CA_FILE, 0o644, ca.clone()));
        files.push(file(wire::BOOTSTRAP_FILE, 0o600, bootstrap.to_string()));
        files.push(packed(file(SCRIPT_FILE, 0o700, script)));

        let description = self.description();
        let config = json!({
            "hostname": description.host,
            "preserve_hostname": false,
            "manage_etc_hosts": true,
            // Needs no generated locale, and so fails on no image.
            "locale": "C.UTF-8",
            // No account but root, without a password and with the operators' keys: where
            // no user is the default one, cloud-init gives the keys to root.
            "users": [{"name": "root", "lock_passwd": true}],
            "disable_root": false,
            "ssh_authorized_keys": description.operator_keys,
            "ssh_pwauth": false,
            // A host key from the image would be shared by all its hosts.
            "ssh_deletekeys": true,
            "ssh_genkeytypes": ["ed25519"],
            // A first boot waits for no mirror; updates come by the first run.
            "package_update": false,
            "package_upgrade": false,
            "package_reboot_if_required": false,
            "write_files": files,
            "runcmd": [["/bin/sh", SCRIPT_FILE]],
        });
        let text = format!("#cloud-config\n{config}\n");
        if text.len() > MAX_USER_DATA {
            return Err(UserDataError::TooLarge { bytes: text.len() });
        }
        Ok(text)
    }
}

/// Below this, compressing costs more than it saves, in bytes.
const WORTH_PACKING: usize = 400;

/// The file with its contents compressed, in the encoding cloud-init calls `gz+b64`, if
/// they are long. The same contents always give the same bytes.
fn packed(mut file: Value) -> Value {
    if let Some(contents) = file["content"].as_str().filter(|contents| contents.len() > WORTH_PACKING) {
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
        // Writing to memory cannot fail; if it did, the file would go as it is.
        if let Ok(bytes) = gzip.write_all(contents.as_bytes()).and_then(|()| gzip.finish()) {
            file["content"] = STANDARD.encode(bytes).into();
            file["encoding"] = "gz+b64".into();
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        process::{Command, Stdio},
    };

    use serde_json::Value;

    use super::*;
    use crate::{
        Service, UPDATER_UNITS,
        description::tests::{KEY, baseline, description, open_to_ssh},
    };

    const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const TOKEN: &str = "m0dK3b6n-2WbBq_1mYk9b7cZ0vG5xwQ8oJ4tRrUeLhA";

    fn bootstrap() -> wire::Bootstrap {
        wire::Bootstrap {
            control_plane_url: "https://[2001:db8::4]:8443/".to_owned(),
            ca_pem: CA.to_owned(),
            public_key_sha256: base::Sha256::of(b"key"),
            token: TOKEN.to_owned(),
        }
    }

    fn rendered(baseline: &Baseline) -> Value {
        let text = baseline.user_data(&bootstrap(), base::Sha256::of(b"agent")).expect("renders");
        let body = text.strip_prefix("#cloud-config\n").expect("the header cloud-init asks for");
        serde_json::from_str(body).expect("JSON")
    }

    fn contents(config: &Value, path: &str) -> String {
        let files = config["write_files"].as_array().expect("files");
        let file = files.iter().find(|file| file["path"] == path).expect(path);
        let content = file["content"].as_str().expect("text");
        if file["encoding"].is_null() {
            return content.to_owned();
        }
        assert_eq!(file["encoding"], "gz+b64");
        let mut text = String::new();
        let bytes = STANDARD.decode(content).expect("base64");
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip");
        text
    }

    #[test]
    fn h4_root_signs_in_by_the_operators_keys_only() {
        let config = rendered(&baseline(Service::Bare));
        assert_eq!(config["ssh_authorized_keys"], json!([KEY]));
        assert_eq!(config["ssh_pwauth"], json!(false));
        assert_eq!(config["disable_root"], json!(false));
        assert_eq!(config["users"], json!([{"name": "root", "lock_passwd": true}]));
        assert_eq!(config["hostname"], json!("web-3"));
        assert_eq!(config["locale"], json!("C.UTF-8"));
        assert_eq!(config["runcmd"], json!([["/bin/sh", SCRIPT_FILE]]));
    }

    #[test]
    fn writes_every_file_and_the_bootstrap_for_root_alone() {
        let baseline = baseline(Service::Postgres);
        let config = rendered(&baseline);
        for file in baseline.files() {
            assert_eq!(contents(&config, file.path), file.contents);
        }
        let stored = config["write_files"].as_array().expect("files");
        let modes: Vec<_> = stored.iter().map(|f| f["permissions"].as_str().expect("a mode")).collect();
        assert_eq!(modes[modes.len() - 3..], ["0644", "0600", "0700"]);
        let read: wire::Bootstrap =
            serde_json::from_str(&contents(&config, wire::BOOTSTRAP_FILE)).expect("a bootstrap");
        assert_eq!((read.token.as_str(), read.ca_pem.as_str()), (TOKEN, CA));
        assert_eq!(read.public_key_sha256, base::Sha256::of(b"key"));
    }

    #[test]
    fn h2_the_only_secret_is_the_one_time_token() {
        let text = baseline(Service::Minio).user_data(&bootstrap(), base::Sha256::of(b"a")).expect("renders");
        assert_eq!(text.matches(TOKEN).count(), 1);
        assert!(!text.contains("PRIVATE KEY"));
        let mut leaky = bootstrap();
        leaky.ca_pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let refused = baseline(Service::Minio).user_data(&leaky, base::Sha256::of(b"a"));
        assert_eq!(refused, Err(UserDataError::CaPem));
    }

    #[test]
    fn refuses_an_address_or_token_that_could_leave_its_quotes() {
        let refused = |change: fn(&mut wire::Bootstrap)| {
            let mut bootstrap = bootstrap();
            change(&mut bootstrap);
            baseline(Service::Bare).user_data(&bootstrap, base::Sha256::of(b"a")).is_err()
        };
        assert!(refused(|b| b.control_plane_url = "http://203.0.113.4".into()));
        assert!(refused(|b| b.control_plane_url = "https://a'; reboot; '".into()));
        assert!(refused(|b| b.control_plane_url = "https://user@example.org".into()));
        assert!(refused(|b| b.control_plane_url = "https://".into()));
        assert!(refused(|b| b.token = "a\"b".into()));
        assert!(refused(|b| b.token = String::new()));
    }

    #[test]
    fn says_when_it_is_too_large_for_a_provider() {
        let mut description = description(Service::Bare);
        description.operator_keys = (0..200).map(|n| format!("{KEY}{n}").parse().expect("a key")).collect();
        let baseline = Baseline::try_from(description).expect("a valid description");
        let refused = baseline.user_data(&bootstrap(), base::Sha256::of(b"a"));
        assert!(matches!(refused, Err(UserDataError::TooLarge { bytes }) if bytes > MAX_USER_DATA));
    }

    #[test]
    fn the_script_is_sound_sh_and_does_things_in_order() {
        for baseline in [baseline(Service::Minio), open_to_ssh(Service::Postgres)] {
            let script = contents(&rendered(&baseline), SCRIPT_FILE);
            let mut sh = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().expect("sh starts");
            sh.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("sh reads");
            assert!(sh.wait().expect("sh ends").success());

            let at = |part: &str| script.find(part).unwrap_or_else(|| panic!("{part} in {script}"));
            let ssh_rule = at("to any port 22 comment holdfast:ssh\n");
            assert!(at("systemctl mask $updaters") < ssh_rule);
            assert!(ssh_rule < at("ufw --force enable"));
            assert!(at("ufw --force enable") < at("systemctl try-reload-or-restart ssh.service"));
            assert!(at("install_package $missing") < at("set_login UMASK 027\n"));
            assert!(at("narrow 750 /etc/sudoers.d\n") < at("algorithms >\"$algorithms\""));
            assert!(at("algorithms >\"$algorithms\"") < at("sshd -t ||"));
            assert!(at("sha256sum --check") < at("install -o root"));
            assert!(script.contains("url='https://[2001:db8::4]:8443/agent/v1/binary'\n"));
            // `printf key | openssl sha256 -binary | base64`
            assert!(script.contains("pin='sha256//LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM='\n"));
            assert!(script.contains("zone='Europe/Vienna'\n"));
            assert!(script.contains(&UPDATER_UNITS.join(" ")));
        }
    }
}

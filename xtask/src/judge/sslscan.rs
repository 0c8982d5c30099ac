//! sslscan: TLS 1.2 and later only, with forward secrecy and authenticated ciphers only.
//! Asked where 443 or 5432 listens.

use anyhow::Result;

use super::{Failure, Judgement, host::JudgedHost};
use crate::command;

/// Ports of our services, with what makes each speak TLS.
const PORTS: [(u16, Option<&str>); 2] = [(443, None), (5432, Some("--starttls-psql"))];

/// One judgement for each port that listens to others.
pub fn judge(host: &JudgedHost) -> Result<Vec<Judgement>> {
    let listening = host.exec("ss -Htln | awk '{ print $4 }'")?;
    let mut judgements = Vec::new();
    for (port, option) in PORTS {
        if listens(&listening, port) {
            judgements.push(judge_port(host, port, option)?);
        }
    }
    Ok(judgements)
}

fn judge_port(host: &JudgedHost, port: u16, option: Option<&str>) -> Result<Judgement> {
    let target = format!("{}:{port}", host.address);
    let mut arguments = vec!["--no-colour", "--show-ciphers"];
    arguments.extend(option);
    arguments.push(&target);
    let output = host.outside("sslscan", &arguments)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = command::output("sslscan", &["--version"]).unwrap_or_default();
    let version = version.split_whitespace().next().unwrap_or("of unknown version").to_owned();
    let (accepted, failed) = read(&said);
    Ok(Judgement {
        judge: format!("sslscan {version}, port {port}"),
        said: format!("{accepted} ciphers accepted, {} faults", failed.len()),
        target: "TLS 1.2 and later, forward secrecy and authenticated ciphers only",
        reached: accepted > 0 && failed.is_empty(),
        failed,
        notes: Vec::new(),
    })
}

/// Whether something listens at this port on another address than the loopback.
fn listens(addresses: &str, port: u16) -> bool {
    addresses.lines().filter_map(|line| line.trim().rsplit_once(':')).any(|(address, found)| {
        found == port.to_string() && !address.starts_with("127.") && address != "[::1]"
    })
}

/// `Accepted  TLSv1.2  256 bits  ECDHE-RSA-AES256-GCM-SHA384 …` a line. The ciphers of TLS
/// 1.3 all have both properties.
fn read(said: &str) -> (usize, Vec<Failure>) {
    let (mut accepted, mut failed) = (0, Vec::new());
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["Accepted" | "Preferred", protocol, _, "bits", cipher, ..] = words.as_slice() else {
            continue;
        };
        accepted += 1;
        let why = match *protocol {
            "TLSv1.3" => continue,
            "TLSv1.2" if !cipher.starts_with("ECDHE-") && !cipher.starts_with("DHE-") => "no forward secrecy",
            "TLSv1.2" if !["GCM", "CHACHA20", "CCM"].iter().any(|sign| cipher.contains(sign)) => {
                "the cipher does not authenticate"
            }
            "TLSv1.2" => continue,
            _ => "the protocol is older than TLS 1.2",
        };
        failed.push(Failure { what: format!("{protocol} {cipher}"), why: why.to_owned() });
    }
    (accepted, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_protocols_and_ciphers_are_faults() {
        let said = "  SSL/TLS Protocols:\nTLSv1.2   enabled\n\
            Preferred TLSv1.3  128 bits  TLS_AES_128_GCM_SHA256        Curve 25519 DHE 253\n\
            Accepted  TLSv1.2  256 bits  ECDHE-RSA-AES256-GCM-SHA384   Curve 25519 DHE 253\n\
            Accepted  TLSv1.2  256 bits  AES256-GCM-SHA384\n\
            Accepted  TLSv1.2  256 bits  ECDHE-RSA-AES256-SHA384\n\
            Accepted  TLSv1.0  256 bits  ECDHE-RSA-AES256-SHA\n";
        let (accepted, failed) = read(said);
        assert_eq!(accepted, 5);
        let why: Vec<_> = failed.iter().map(|failure| failure.why.as_str()).collect();
        assert_eq!(
            why,
            ["no forward secrecy", "the cipher does not authenticate", "the protocol is older than TLS 1.2"]
        );
    }

    #[test]
    fn the_loopback_does_not_count() {
        assert!(listens("0.0.0.0:443\n", 443) && listens("[::]:5432\n", 5432) && listens("*:443\n", 443));
        assert!(!listens("127.0.0.1:443\n[::1]:443\n0.0.0.0:4430\n", 443));
    }
}

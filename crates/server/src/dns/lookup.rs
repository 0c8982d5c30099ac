//! Reading records at a chosen server. Nothing is cached and no recursion is asked for: what
//! counts is what that very server says.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};

use super::{
    DnsError, DnsName,
    transport::{exchange, parse},
};

/// A name as the protocol writes it.
pub(super) fn fqdn(server: SocketAddr, name: &DnsName) -> Result<Name, DnsError> {
    Name::from_ascii(format!("{name}."))
        .map_err(|_| DnsError::Malformed { server, reason: format!("`{name}` cannot be asked for") })
}

async fn ask(server: SocketAddr, name: &DnsName, kind: RecordType) -> Result<Message, DnsError> {
    let mut question = Message::query();
    question.metadata.recursion_desired = false;
    question.add_query(Query::query(fqdn(server, name)?, kind));
    let bytes =
        question.to_vec().map_err(|error| DnsError::Malformed { server, reason: error.to_string() })?;
    let answer = parse(server, question.id, &exchange(server, &bytes).await?)?;
    let code = || answer.response_code.to_str().to_owned();
    match answer.response_code {
        // A name that does not exist has no records, which is an answer.
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
        ResponseCode::ServFail => Err(DnsError::ServerFailed { server, code: code() }),
        _ => Err(DnsError::Refused { server, code: code() }),
    }
}

/// Where a name's CNAME record leads, if it has one.
pub(super) async fn alias(server: SocketAddr, name: &DnsName) -> Result<Option<DnsName>, DnsError> {
    let (answer, own) = (ask(server, name, RecordType::CNAME).await?, fqdn(server, name)?);
    let target = answer.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if record.name == own => Some(target.0.to_ascii()),
        _ => None,
    });
    target
        .map(|target| {
            target.parse().map_err(|_| DnsError::Malformed {
                server,
                reason: format!("`{name}` is an alias of something that is no name"),
            })
        })
        .transpose()
}

/// The TXT values of a name at this server.
pub(super) async fn texts(server: SocketAddr, name: &DnsName) -> Result<BTreeSet<String>, DnsError> {
    let (answer, own) = (ask(server, name, RecordType::TXT).await?, fqdn(server, name)?);
    let texts =
        answer.answers.iter().filter(|record| record.name == own).filter_map(|record| match &record.data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        });
    Ok(texts.collect())
}

/// The authoritative servers of a zone, by its NS records and the addresses that this server
/// or the system's resolver gives for them.
pub(super) async fn authoritative(server: SocketAddr, zone: &DnsName) -> Result<Vec<SocketAddr>, DnsError> {
    /// Where name servers listen (RFC 1035 §4.2).
    const PORT: u16 = 53;
    let answer = ask(server, zone, RecordType::NS).await?;
    let names: Vec<Name> = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::NS(name) => Some(name.0.clone()),
            _ => None,
        })
        .collect();
    let mut found = BTreeSet::new();
    for name in names {
        let glue = answer.additionals.iter().filter(|record| record.name == name);
        let mut addresses: Vec<IpAddr> = glue
            .filter_map(|record| match &record.data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            })
            .collect();
        if addresses.is_empty() {
            let resolved = tokio::net::lookup_host((name.to_ascii(), PORT)).await;
            addresses.extend(resolved.into_iter().flatten().map(|address| address.ip()));
        }
        if addresses.is_empty() {
            let reason =
                format!("its name server `{name}` has no address; list the servers of the zone instead");
            return Err(DnsError::Malformed { server, reason });
        }
        found.extend(addresses.into_iter().map(|address| SocketAddr::new(address, PORT)));
    }
    if found.is_empty() {
        let reason = format!("it names no name server of `{zone}`; list the servers of the zone instead");
        return Err(DnsError::Malformed { server, reason });
    }
    Ok(found.into_iter().collect())
}

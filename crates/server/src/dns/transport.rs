//! One question to one name server, over TCP (RFC 7766), bounded in time. An answer is at
//! most 64 KiB by its own length field.
//!
//! TCP always: updates with signatures and answers with several TXT values soon outgrow a
//! datagram, and a stranger on the way cannot answer in the server's stead.

use std::{io, net::SocketAddr, time::Duration};

use hickory_proto::op::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::DnsError;

/// Name servers answer in milliseconds; a connection over half the world takes two of these
/// seconds when a packet is lost.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Sends a message and gives the answer as it came.
pub(super) async fn exchange(server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, DnsError> {
    let asked = timeout(ANSWER_LIMIT, ask(server, message)).await;
    asked
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| DnsError::Unreachable { server, source })
}

async fn ask(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Reads an answer and checks that it is to this question.
pub(super) fn parse(server: SocketAddr, question: u16, answer: &[u8]) -> Result<Message, DnsError> {
    let malformed = |reason: &str| DnsError::Malformed { server, reason: reason.to_owned() };
    let message = Message::from_vec(answer).map_err(|_| malformed("it is not a DNS message"))?;
    if message.id == question { Ok(message) } else { Err(malformed("it is to another question")) }
}

//! The reflection protocol: a server's description of its own services.
//!
//! # Source
//! grpc/grpc-proto, `grpc/reflection/v1/reflection.proto`; `v1alpha` has the same messages under another name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::FileDescriptorProto;
use splitcost_load::{Address, Target, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::{no_service, pool};
use crate::{Error, Result};

/// The time limit of the conversation.
///
/// Chosen: a server that does not describe itself in the time that a request may take will not answer load either.
const DEADLINE: Duration = Duration::from_secs(10);
/// The most bytes of a description.
///
/// Chosen: the descriptions of the largest public APIs (googleapis) have a few megabytes.
const MAX_BYTES: usize = 64 << 20;

/// The services of the reflection protocol, the newest first.
const SERVICES: [&str; 2] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
/// The gRPC status UNIMPLEMENTED.
///
/// Spec: grpc/doc/statuscodes.md.
const UNIMPLEMENTED: &str = "12";

#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(oneof = "Asked", tags = "3, 4, 7")]
    asked: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Asked {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(oneof = "Reply", tags = "4, 6, 7")]
    told: Option<Reply>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Reply {
    #[prost(message, tag = "4")]
    Files(Files),
    #[prost(message, tag = "6")]
    Services(Services),
    #[prost(message, tag = "7")]
    Error(ErrorReply),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file_descriptor_proto: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErrorReply {
    #[prost(string, tag = "2")]
    error_message: String,
}

/// The reason why a server did not describe a service.
enum Refusal {
    /// It does not speak this version of the protocol.
    Unimplemented,
    /// It has no such service; it has these.
    NoService(Vec<String>),
    Because(String),
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Because(error.to_string())
    }
}

/// Returns the files that describe the service of a method, and all their imports.
pub(super) fn describe(server: &Target, service: &str, method: &str) -> Result<DescriptorPool> {
    let fail = |reason: String| Error::GrpcReflection { server: server.authority.clone(), reason };
    let asking = async { tokio::time::timeout(DEADLINE, ask(server, service)).await };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answered = runtime.map_err(|error| fail(error.to_string()))?.block_on(asking);
    match answered {
        Err(_) => Err(fail(format!("no answer within {} s", DEADLINE.as_secs()))),
        Ok(Err(Refusal::Unimplemented)) => Err(fail("it has no reflection service".to_owned())),
        Ok(Err(Refusal::NoService(there_are))) => {
            let reason = no_service(service, there_are.into_iter());
            Err(Error::GrpcMethod { method: method.to_owned(), reason })
        }
        Ok(Err(Refusal::Because(reason))) => Err(fail(reason)),
        Ok(Ok(pool)) => Ok(pool),
    }
}

async fn ask(server: &Target, service: &str) -> Result<DescriptorPool, Refusal> {
    match &server.address {
        Address::Tcp(address) => connect(server, service, TcpStream::connect(address).await?).await,
        Address::Unix(path) => connect(server, service, UnixStream::connect(path).await?).await,
    }
}

async fn connect(server: &Target, service: &str, stream: impl Stream) -> Result<DescriptorPool, Refusal> {
    let Some(tls) = &server.tls else { return converse(server, service, stream).await };
    let (config, name) = tls.client_config(Version::Http2).map_err(Refusal::Because)?;
    converse(server, service, TlsConnector::from(config).connect(name, stream).await?).await
}

/// A connection in both directions.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn converse(server: &Target, service: &str, stream: impl Stream) -> Result<DescriptorPool, Refusal> {
    let (sender, connection) = h2::client::handshake(stream).await?;
    // Ends with the runtime.
    tokio::spawn(connection);
    let mut session = Conversation { sender, server, service: SERVICES[0], bytes_left: MAX_BYTES };
    match session.files_of(service).await {
        Err(Refusal::Unimplemented) => {
            session.service = SERVICES[1];
            session.files_of(service).await
        }
        other => other,
    }
}

struct Conversation<'a> {
    sender: SendRequest<Bytes>,
    server: &'a Target,
    /// The service of the reflection protocol.
    service: &'static str,
    bytes_left: usize,
}

impl Conversation<'_> {
    async fn files_of(&mut self, service: &str) -> Result<DescriptorPool, Refusal> {
        let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut question = Asked::FileContainingSymbol(service.to_owned());
        loop {
            match self.exchange(question.clone()).await? {
                Reply::Files(found) => {
                    for file in found.file_descriptor_proto {
                        let file = FileDescriptorProto::decode(file)?;
                        files.insert(file.name().to_owned(), file);
                    }
                }
                // A list of the services helps more than the server's own message.
                Reply::Error(_) if matches!(question, Asked::FileContainingSymbol(_)) => {
                    let Reply::Services(there_are) = self.exchange(Asked::ListServices(String::new())).await? else {
                        return Err(Refusal::Because(format!("it does not know {service}, and lists no services")));
                    };
                    let names = there_are.service.into_iter().map(|service| service.name);
                    let names = names.filter(|name| !SERVICES.contains(&name.as_str()));
                    return Err(Refusal::NoService(names.collect()));
                }
                Reply::Error(failed) => return Err(Refusal::Because(failed.error_message)),
                Reply::Services(_) => return Err(Refusal::Because("it answered another question".to_owned())),
            }
            // A server may send the imports of a file along with it, or wait for questions.
            let missing = files.values().flat_map(|file| &file.dependency).find(|name| !files.contains_key(*name));
            let Some(missing) = missing.cloned() else { break };
            if !asked.insert(missing.clone()) {
                return Err(Refusal::Because(format!("it answers without {missing} when asked for it")));
            }
            question = Asked::FileByFilename(missing);
        }
        pool(files.into_values().collect()).map_err(Refusal::Because)
    }

    /// Asks one question in a call of its own. The protocol allows several questions in one call.
    async fn exchange(&mut self, question: Asked) -> Result<Reply, Refusal> {
        let question = Question { asked: Some(question) };
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(question.encoded_len() as u32);
        question.encode(&mut message)?;

        let scheme = if self.server.tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{}/{}/ServerReflectionInfo", self.server.authority, self.service);
        let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers").body(())?;
        self.sender = self.sender.clone().ready().await?;
        let (response, mut stream) = self.sender.send_request(request, false)?;
        stream.send_data(message.freeze(), true)?;
        let response = response.await?;
        if response.status() != http::StatusCode::OK {
            return Err(Refusal::Because(format!("it answered with the HTTP status {}", response.status())));
        }
        check_status(response.headers())?;
        let mut body = response.into_body();
        let mut bytes = BytesMut::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            self.bytes_left = self
                .bytes_left
                .checked_sub(part.len())
                .ok_or_else(|| Refusal::Because(format!("its description is longer than {} MiB", MAX_BYTES >> 20)))?;
            bytes.extend_from_slice(&part);
        }
        if let Some(trailers) = body.trailers().await? {
            check_status(&trailers)?;
        }
        let message = match bytes.split_first_chunk::<5>() {
            Some(([0, a, b, c, d], rest)) => rest.get(..u32::from_be_bytes([*a, *b, *c, *d]) as usize),
            _ => None,
        };
        let message = message.ok_or_else(|| Refusal::Because("its answer is no gRPC message".to_owned()))?;
        let told = Answer::decode(message)?.told;
        told.ok_or_else(|| Refusal::Because("its answer is of an unknown kind".to_owned()))
    }
}

/// Returns the gRPC status, which is in the headers where no message follows.
fn check_status(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match text("grpc-status").as_deref() {
        None | Some("0") => Ok(()),
        Some(UNIMPLEMENTED) => Err(Refusal::Unimplemented),
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default();
            Err(Refusal::Because(format!("it answered with the gRPC status {code} {message}").trim_end().to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;

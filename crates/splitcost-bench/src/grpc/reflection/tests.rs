use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use super::*;

/// An answer of a server: a message's bytes, after the gRPC status where there is one.
enum Say {
    Reply(Reply),
    Bytes(&'static [u8]),
    Status(&'static str),
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

/// A server of one connection that knows the reflection service of this name, and answers by a function.
fn serve(service: &'static str, say: impl Fn(Asked) -> Say + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(stream).unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let is_known = request.uri().path().split('/').nth(1) == Some(service);
                // One of our questions is one frame.
                let question = request.into_body().data().await.unwrap().unwrap();
                let asked = Question::decode(&question[5..]).unwrap().asked.unwrap();
                let (status, body) = match if is_known { say(asked) } else { Say::Status(UNIMPLEMENTED) } {
                    Say::Reply(told) => ("0", framed(&Answer { told: Some(told) }.encode_to_vec())),
                    Say::Bytes(bytes) => ("0", bytes.to_vec()),
                    Say::Status(status) => (status, Vec::new()),
                };
                let head = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                let mut stream = respond.send_response(head, false).unwrap();
                stream.send_data(body.into(), false).unwrap();
                let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
                stream.send_trailers(trailers).unwrap();
            }
        });
    });
    address.into()
}

fn file(name: &str, imports: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..FileDescriptorProto::default()
    }
}

fn files(files: &[FileDescriptorProto]) -> Say {
    Say::Reply(Reply::Files(Files {
        file_descriptor_proto: files.iter().map(|file| file.encode_to_vec().into()).collect(),
    }))
}

fn problem(server: &Target) -> String {
    let said = describe(server, "a.B", "a.B/C").unwrap_err().to_string();
    said.replace(&server.authority, "[SERVER]")
}

#[test]
fn imports_are_asked_for_where_they_do_not_come_along() {
    for service in SERVICES {
        let server = serve(service, |asked| match asked {
            Asked::FileContainingSymbol(_) => files(&[file("a", &["b", "c"])]),
            Asked::FileByFilename(name) if name == "b" => files(&[file("b", &["c"])]),
            _ => files(&[file("c", &[])]),
        });
        let pool = describe(&server, "a.B", "a.B/C").unwrap();
        assert_eq!(pool.files().map(|file| file.name().to_owned()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}

#[test]
fn what_a_server_may_answer_instead() {
    let problem_of = |say: fn(Asked) -> Say| problem(&serve(SERVICES[0], say));
    let learn = "learn the gRPC services of [SERVER] by reflection: ";
    for (say, expected) in [
        ((|_| Say::Status("16")) as fn(Asked) -> Say, "it answered with the gRPC status 16"),
        (|_| Say::Status("12"), "it has no reflection service"),
        (|_| Say::Bytes(b""), "its answer is no gRPC message"),
        (|_| Say::Bytes(b"\0\0\0\0\x09ab"), "its answer is no gRPC message"),
        (|_| Say::Bytes(b"\x01\0\0\0\0"), "its answer is no gRPC message"),
        (|_| Say::Bytes(b"\0\0\0\0\0"), "its answer is of an unknown kind"),
        (|_| Say::Reply(Reply::Services(Services::default())), "it answered another question"),
        (
            |_| files(&[FileDescriptorProto { syntax: Some("editions".into()), ..file("a", &[]) }]),
            "a has the syntax \"editions\"; known are proto2 and proto3",
        ),
        (|_| files(&[file("a", &["b"])]), "it answers without b when asked for it"),
    ] {
        assert_eq!(problem_of(say), format!("{learn}{expected}"));
    }
    assert!(problem_of(|_| Say::Bytes(b"\0\0\0\0\x01\xff")).contains("failed to decode Protobuf message"));
    // Of bytes that are not a file description.
    let service = |asked| match asked {
        Asked::ListServices(_) => {
            Say::Reply(Reply::Services(Services { service: vec![Service { name: "x.Y".into() }] }))
        }
        _ => Say::Reply(Reply::Error(ErrorReply { error_message: "who?".into() })),
    };
    assert_eq!(problem_of(service), "call the gRPC method a.B/C: there is no service a.B; there are: x.Y");
}

#[test]
fn servers_that_speak_something_else() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.read_exact(&mut [0; 24]).unwrap();
            client.write_all(answer).unwrap();
        });
        let said = problem(&address.into());
        assert!(said.starts_with("learn the gRPC services of [SERVER] by reflection: "), "{said}");
        server.join().unwrap();
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(problem(&nobody.into()).contains("refused"));
}

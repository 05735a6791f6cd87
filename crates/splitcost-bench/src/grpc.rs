//! gRPC messages from JSON: a [`Schema`] describes the services, a [`Method`] encodes messages, and [`call`] returns a
//! request for the load generator.
//!
//! Only unary methods, with one message each way, are supported: `splitcost-load` sends the encoded bytes.

mod reflection;

use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;
use splitcost_load::{Body, Method as HttpMethod, RequestSpec, Target};

use crate::{Error, Result};

const HOW_TO_NAME: &str =
    "a gRPC method is written package.Service/Method, as in grpc://localhost:50051/shop.Users/Get";

/// The description of a server's services and messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Schema {
    /// The server itself, by `grpc.reflection.v1`, or `v1alpha`.
    #[default]
    Reflection,
    /// Protocol buffer sources.
    Proto {
        /// The sources.
        files: Vec<PathBuf>,
        /// The directories of imports, which precede those of the sources.
        import_paths: Vec<PathBuf>,
    },
    /// A file that `protoc --descriptor_set_out --include_imports` wrote.
    DescriptorSet(PathBuf),
}

/// A unary method.
#[derive(Clone, Debug, PartialEq)]
pub struct Method(MethodDescriptor);

impl Method {
    /// Finds the method `package.Service/Method`.
    pub fn find(schema: &Schema, server: &Target, name: &str) -> Result<Self> {
        let fail = |reason: String| Error::GrpcMethod { method: name.to_owned(), reason };
        let (service_name, method_name) = split(name).ok_or_else(|| fail(HOW_TO_NAME.to_owned()))?;
        let pool = match schema {
            Schema::Reflection => reflection::describe(server, service_name, name)?,
            Schema::Proto { files, import_paths } => compile(files, import_paths)?,
            Schema::DescriptorSet(path) => decode_set(path)?,
        };
        let Some(service) = pool.get_service_by_name(service_name) else {
            return Err(fail(no_service(service_name, pool.services().map(|service| service.full_name().to_owned()))));
        };
        let Some(method) = service.methods().find(|method| method.name() == method_name) else {
            let names = list(service.methods().map(|method| method.name().to_owned()));
            return Err(fail(format!("{service_name} has {names}, but no {method_name}")));
        };
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(fail("it is a streaming method; load can be put on unary ones only".into()));
        }
        Ok(Self(method))
    }

    /// Encodes a request message, without the five bytes that gRPC puts before it.
    ///
    /// # Source
    /// Protocol buffers, "`ProtoJSON` format".
    pub fn encode(&self, message: &Value) -> Result<Vec<u8>> {
        let wanted = self.0.input();
        let name = wanted.full_name().to_owned();
        let mut track = serde_path_to_error::Track::new();
        let read = DynamicMessage::deserialize(wanted, serde_path_to_error::Deserializer::new(message, &mut track));
        let message = read.map_err(|error| {
            let path = track.path().to_string();
            let reason = if path == "." { error.to_string() } else { format!("at {path}: {error}") };
            Error::GrpcMessage { message: name, reason }
        })?;
        Ok(message.encode_to_vec())
    }
}

/// Returns the unary call of the method that a request's path names. A JSON body is encoded, any other file is sent as it
/// is, and a request without a body sends the empty message.
pub fn call(request: RequestSpec, schema: &Schema, server: &Target) -> Result<RequestSpec> {
    let fail = |reason: String| Error::GrpcMethod { method: request.path.clone(), reason };
    let (service, method) = split(&request.path).ok_or_else(|| fail(HOW_TO_NAME.to_owned()))?;
    let name = request.name.clone().unwrap_or_else(|| format!("{service}/{method}"));
    let json = request.body.as_ref().and_then(Body::fixed_json);
    let message = match (json, &request.body) {
        (Some(json), _) => {
            let json = json.map_err(|problem| fail(format!("its message is fixed: {problem}")))?;
            Method::find(schema, server, &request.path)?.encode(&json)?
        }
        (None, None) => Vec::new(),
        (None, Some(Body::Bytes { bytes, .. } | Body::Grpc(bytes))) => bytes.clone(),
        (None, Some(_)) => return Err(fail("a message is JSON, or a file of bytes".to_owned())),
    };
    Ok(RequestSpec { name: Some(name), method: HttpMethod::Post, body: Some(Body::Grpc(message)), ..request })
}

/// Returns service and method; the name may begin with the `/` of a path.
fn split(name: &str) -> Option<(&str, &str)> {
    let (service, method) = name.strip_prefix('/').unwrap_or(name).split_once('/')?;
    let is_identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (service.split('.').all(is_identifier) && is_identifier(method)).then_some((service, method))
}

fn no_service(wanted: &str, there_are: impl Iterator<Item = String>) -> String {
    format!("there is no service {wanted}; there are: {}", list(there_are))
}

fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn compile(files: &[PathBuf], import_paths: &[PathBuf]) -> Result<DescriptorPool> {
    for file in files {
        std::fs::metadata(file).map_err(Error::io("read", file))?;
    }
    let parents = files
        .iter()
        .filter_map(|file| file.parent())
        .map(|dir| if dir == Path::new("") { Path::new(".") } else { dir });
    let compile = || -> Result<DescriptorPool, protox::Error> {
        let mut compiler = protox::Compiler::new(import_paths.iter().map(PathBuf::as_path).chain(parents))?;
        compiler.include_imports(true).include_source_info(true);
        for file in files {
            compiler.open_file(file)?;
        }
        Ok(compiler.descriptor_pool())
    };
    // Debug is `file:line:column: problem` there, and Display the problem alone.
    compile().map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::GrpcSchema { source_name: "the .proto files".to_owned(), reason: format!("{error:?}{cause}") }
    })
}

fn decode_set(path: &Path) -> Result<DescriptorPool> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let set = FileDescriptorSet::decode(bytes.as_slice()).map_err(|error| error.to_string());
    set.and_then(|set| pool(set.file))
        .map_err(|reason| Error::GrpcSchema { source_name: format!("the descriptor set {}", path.display()), reason })
}

fn pool(files: Vec<FileDescriptorProto>) -> Result<DescriptorPool, String> {
    // The pool panics at an unknown syntax.
    if let Some(file) = files.iter().find(|file| !["", "proto2", "proto3"].contains(&file.syntax())) {
        return Err(format!("{} has the syntax {:?}; known are proto2 and proto3", file.name(), file.syntax()));
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files).map_err(|error| format!("{error:?}"))?;
    Ok(pool)
}

#[cfg(test)]
mod tests;

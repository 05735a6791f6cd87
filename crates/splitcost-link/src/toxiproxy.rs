//! The HTTP API of Toxiproxy, through which its clients control links.
//!
//! A *proxy* of the API is a link, and a *toxic* is a rule of its policy. Toxics have the same effects as in Toxiproxy. The
//! API runs on its own thread, and an engine of this crate carries the data.
//!
//! # Source
//! Spec: Shopify/toxiproxy, README.md, 2.12.

mod board;
mod toxic;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::Error;
pub use board::{Board, Proxy};

/// The version that clients receive.
///
/// Spec: the version of Toxiproxy whose API this is, and our own.
const VERSION: &str = concat!("2.12.0+splitcost.", env!("CARGO_PKG_VERSION"));

type Shared = Arc<Mutex<Board>>;

/// The running API. On drop, it stops.
#[derive(Debug)]
pub struct Api {
    board: Shared,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    /// Serves the API on a loopback address. The API has no authentication, and its clients can open ports.
    ///
    /// # Errors
    /// Fails when the address is not a loopback address, or the API cannot listen on it.
    pub fn start(address: SocketAddr, board: Board) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: address.to_string(), source };
        if !address.ip().is_loopback() {
            let problem = "the API has no authentication; use a loopback address, such as 127.0.0.1";
            return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem)));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::system("start the API"))?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let board = Arc::new(Mutex::new(board));
        let (stop, stopped) = oneshot::channel();
        let router = router(Arc::clone(&board));
        let run = move || {
            let end = async {
                // A dropped sender has the same meaning.
                let _ = stopped.await;
            };
            runtime.block_on(async {
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap_or_else(|error| eprintln!("error: the API has ended: {error}")),
                    () = end => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("link-api".into()).spawn(run);
        let thread = thread.map_err(Error::system("start a thread"))?;
        Ok(Self { board, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address that the API listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Calls a function with the proxies, which are locked meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        look(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread was printed when it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// An error answer of the API.
#[derive(Debug)]
pub(crate) struct Problem(StatusCode, String);

impl Problem {
    pub(crate) fn bad(problem: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, problem.into())
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    pub(crate) fn exists(what: &str) -> Self {
        Self(StatusCode::CONFLICT, format!("{what} already exists"))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
        let status = match error {
            Error::Listen { .. } | Error::System { .. } | Error::Stopped => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, format!("failed to {error}{cause}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1, "status": self.0.as_u16() }))).into_response()
    }
}

type Answer<T> = Result<T, Problem>;

fn router(board: Shared) -> Router {
    Router::new()
        .route("/version", get(|| async { Json(json!({ "version": VERSION })) }))
        .route("/proxies", get(proxies).post(create))
        .route("/populate", post(populate))
        .route("/reset", post(reset))
        .route("/proxies/{proxy}", get(proxy).post(update).patch(update).delete(remove))
        .route("/proxies/{proxy}/toxics", get(toxics).post(add_toxic))
        .route(
            "/proxies/{proxy}/toxics/{toxic}",
            get(toxic).post(update_toxic).patch(update_toxic).delete(remove_toxic),
        )
        .fallback(|| async { Problem::missing("endpoint") })
        .layer(middleware::from_fn(no_browsers))
        .with_state(board)
}

/// Refuses requests of browsers, so that a web page cannot open ports.
async fn no_browsers(request: Request, next: Next) -> Response {
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    if agent.is_some_and(|agent| agent.starts_with("Mozilla/")) || request.headers().contains_key(header::ORIGIN) {
        return Problem(StatusCode::FORBIDDEN, "User agent not allowed".to_owned()).into_response();
    }
    next.run(request).await
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| Problem::bad(format!("bad request body: {error}")))
}

fn lock(board: &Shared) -> std::sync::MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn proxies(State(board): State<Shared>) -> Json<Value> {
    let board = lock(&board);
    Json(Value::Object(board.proxies().iter().map(|proxy| (proxy.name().to_owned(), proxy.json())).collect()))
}

async fn create(State(board): State<Shared>, body: Bytes) -> Answer<Response> {
    let created = lock(&board).create(&read(&body)?)?.json();
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

async fn populate(State(board): State<Shared>, body: Bytes) -> Answer<Response> {
    let proxies = lock(&board).populate(read(&body)?)?;
    Ok((StatusCode::CREATED, Json(json!({ "proxies": proxies }))).into_response())
}

async fn reset(State(board): State<Shared>) -> Answer<StatusCode> {
    lock(&board).reset()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn proxy(State(board): State<Shared>, Path(name): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(lock(&board).find(&name)?.json()))
}

async fn update(State(board): State<Shared>, Path(name): Path<String>, body: Bytes) -> Answer<Json<Value>> {
    Ok(Json(lock(&board).update(&name, read(&body)?)?.json()))
}

async fn remove(State(board): State<Shared>, Path(name): Path<String>) -> Answer<StatusCode> {
    lock(&board).remove(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn toxics(State(board): State<Shared>, Path(name): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(json!(lock(&board).find(&name)?.toxics())))
}

async fn add_toxic(State(board): State<Shared>, Path(name): Path<String>, body: Bytes) -> Answer<Json<Value>> {
    Ok(Json(json!(lock(&board).add_toxic(&name, read(&body)?)?)))
}

type ToxicPath = Path<(String, String)>;

async fn toxic(State(board): State<Shared>, Path((name, toxic)): ToxicPath) -> Answer<Json<Value>> {
    Ok(Json(json!(lock(&board).find(&name)?.toxic(&toxic)?)))
}

async fn update_toxic(State(board): State<Shared>, Path((name, toxic)): ToxicPath, body: Bytes) -> Answer<Json<Value>> {
    Ok(Json(json!(lock(&board).update_toxic(&name, &toxic, read(&body)?)?)))
}

async fn remove_toxic(State(board): State<Shared>, Path((name, toxic)): ToxicPath) -> Answer<StatusCode> {
    lock(&board).remove_toxic(&name, &toxic)?;
    Ok(StatusCode::NO_CONTENT)
}

//! The HTTP API of Toxiproxy, so that its clients drive our links.
//!
//! A *proxy* is a link, a *toxic* a rule of its policy. What a toxic does is what Toxiproxy's own does; the data path is the
//! stream engine's, and the API has a thread of its own.
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

/// What clients are told of the API that this is.
const VERSION: &str = concat!("2.12.0+splitcost.", env!("CARGO_PKG_VERSION"));

type Shared = Arc<Mutex<Board>>;

/// The API while it is served; dropped, it ends.
#[derive(Debug)]
pub struct Api {
    board: Shared,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    /// Serves it at an address of loopback: whoever reaches it can open ports, and it asks for no password.
    ///
    /// # Errors
    /// When the address is not one of loopback, or cannot be listened on.
    pub fn start(address: SocketAddr, board: Board) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: address.to_string(), source };
        if !address.ip().is_loopback() {
            let problem = "the API asks for no password, and is served on loopback only";
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
                // A sender that is gone says the same.
                let _ = stopped.await;
            };
            runtime.block_on(async {
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap_or_else(|error| eprintln!("the API ends: {error}")),
                    () = end => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("link-api".into()).spawn(run);
        let thread = thread.map_err(Error::system("start a thread"))?;
        Ok(Self { board, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What there is, for a moment.
    pub fn with<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        look(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread was printed by itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// An answer that is no success.
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

/// A page in a browser shall not open ports here.
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

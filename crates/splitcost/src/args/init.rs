//! The arguments of `splitcost init`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `splitcost init`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  splitcost init                            # looks for the app, its routes and its modules here and in src
  splitcost init --openapi openapi.yaml     # with the requests that a description of the API lists
  splitcost init --har saved.har            # with the requests that a browser has saved
  splitcost init --access-log access.log    # with the requests that the app got in production

It finds apps of FastAPI, Starlette, Litestar, Quart, Flask, Django, Falcon, Bottle and Pyramid, made at import or by a
factory. It reads the source and runs none of it.")]
pub(crate) struct InitArgs {
    /// OpenAPI document (3.0 or 3.1, JSON or YAML) whose operations become the workload [default: openapi.json,
    /// openapi.yaml or openapi.yml in this directory or below, else the routes in the source]
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: Option<PathBuf>,
    /// HAR file whose requests become the workload; cookies and credentials in it are left out
    #[arg(long, value_name = "FILE", conflicts_with = "openapi")]
    pub(crate) har: Option<PathBuf>,
    /// Access log in the common or combined format whose successful requests become the workload
    #[arg(long, value_name = "FILE", conflicts_with_all = ["har", "openapi"])]
    pub(crate) access_log: Option<PathBuf>,
}

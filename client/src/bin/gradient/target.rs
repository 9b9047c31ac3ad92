//! The server that commands talk to.

use std::time::Duration;

use anyhow::Context;
use gradient_client::{Client, ConnectOptions};
use tokio::net::TcpListener;

/// Largest message of the command line in either direction: what the format can carry. The server has its own limit.
const MESSAGE_BYTES: u32 = i32::MAX as u32;

/// Heading of the options that every command has.
pub const GLOBAL: &str = "Options of every command";

/// Which server to talk to, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// The server, such as http://127.0.0.1:50051; without it, one runs inside this process
    #[arg(long, global = true, help_heading = GLOBAL, env = "GRADIENT_SERVER", value_name = "URL")]
    server: Option<String>,

    /// Give up on a call after this many seconds
    #[arg(long, global = true, help_heading = GLOBAL, env = "GRADIENT_TIMEOUT", value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

impl Target {
    /// Connects, after starting the embedded server if no other is named. That one ends with the process.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let url = self.url().await?;
        Ok(Client::connect_with(&url, self.options()).await?)
    }

    /// So many connections to the server that [`Target::connect`] connects to. A call that fails on them has failed:
    /// it is not made again.
    pub async fn connect_often(&self, connections: usize) -> anyhow::Result<Vec<Client>> {
        let url = self.url().await?;
        let options = ConnectOptions {
            attempts: 1,
            ..self.options()
        };
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(Client::connect_with(&url, options.clone()).await?);
        }
        Ok(clients)
    }

    /// The server's address as it was given; `None` for the embedded one.
    pub fn named(&self) -> Option<&str> {
        self.server.as_deref().filter(|url| !url.is_empty())
    }

    async fn url(&self) -> anyhow::Result<String> {
        match self.named() {
            Some(url) => Ok(url.to_owned()),
            None => embedded().await.context("cannot start the embedded server"),
        }
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions {
            timeout: self.timeout,
            max_message_bytes: MESSAGE_BYTES as usize,
            ..ConnectOptions::default()
        }
    }
}

/// Starts a server on a free port of the loopback interface.
async fn embedded() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let config = gradient_server::Config {
        max_message_bytes: MESSAGE_BYTES.into(),
        ..gradient_server::Config::default()
    };
    tokio::spawn(async move {
        if let Err(error) = gradient_server::run(listener, config, std::future::pending()).await {
            tracing::error!("the embedded server failed: {error:#}");
        }
    });
    Ok(format!("http://{address}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be more than 0".into()),
    }
}

//! The service as a tool of GradBench (<https://github.com/gradbench/gradbench>): reads the messages of an eval line
//! by line, and answers each. `gradbench [ADDRESS]`; without an address it runs a server of its own.

use gradient_client::Client;
use gradient_server::Config;
use gradient_tests::gradbench::Tool;
use gradient_tests::server::TestServer;
use std::io::{BufRead, Write};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let (address, _server) = match std::env::args().nth(1) {
            Some(address) => (address, None),
            None => {
                let server = TestServer::start(Config::default()).await;
                (server.address.to_string(), Some(server))
            }
        };
        let mut tool = Tool::new(Client::connect(&address).await?);
        let mut out = std::io::stdout();
        for line in std::io::stdin().lock().lines() {
            let answer = tool.answer(&serde_json::from_str(&line?)?).await;
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        Ok(())
    })
}

//! A real server on loopback, and clients of it.

use bytes::{Buf, BufMut, Bytes};
use gradient_proto::v1::gradient_service_client::GradientServiceClient;
use gradient_server::{Config, run};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{
    Request, Response, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};

/// A server of this process. Dropped, it shuts down by itself; `stop` waits for it.
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), String>>,
}

impl TestServer {
    /// Starts a server on a free port of loopback.
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port of loopback");
        let address = listener.local_addr().expect("a bound address");
        let (shutdown, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async {
                // Dropped is as good as sent.
                let _ = stopped.await;
            };
            let served = run(listener, config, stopped).await;
            served.map_err(|error| format!("{error:#}"))
        });
        Self {
            address,
            shutdown,
            serving,
        }
    }

    /// A connection of its own.
    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        let connected = endpoint.expect("an address is a URI").connect().await;
        connected.expect("the server accepts connections")
    }

    /// A client with a connection of its own, which takes answers of any size.
    pub async fn client(&self) -> GradientServiceClient<Channel> {
        GradientServiceClient::new(self.channel().await)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// Shuts the server down as SIGTERM does, and waits for its end.
    pub async fn stop(self) {
        // It may have stopped by itself; then the result tells.
        let _ = self.shutdown.send(());
        let served = self.serving.await.expect("the server does not panic");
        served.expect("the server stops without an error");
    }
}

/// Sends bytes as they are in place of a message; `path` is `/package.Service/Method`.
pub async fn call_with_bytes(
    channel: &Channel,
    path: &'static str,
    message: Bytes,
) -> Result<Response<Bytes>, Status> {
    let mut grpc = Grpc::new(channel.clone()).max_encoding_message_size(usize::MAX);
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
    grpc.unary(Request::new(message), path, AsTheyAre).await
}

/// Messages are bytes.
#[derive(Clone, Copy)]
pub struct AsTheyAre;

impl Codec for AsTheyAre {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

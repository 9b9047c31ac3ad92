//! A client that takes little time for a call. Where servers are measured, callers share the machine with them.

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use std::error::Error;
use tokio::net::TcpStream;

/// What went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A connection, which several callers may share.
#[derive(Clone)]
pub struct Caller {
    sender: SendRequest<Bytes>,
    head: http::Request<()>,
}

impl Caller {
    /// Connects, for calls of one method: `path` is `/package.Service/Method`.
    pub async fn connect(address: &str, path: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let head = http::Request::post(format!("http://{address}{path}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(())?;
        Ok(Self { sender, head })
    }

    /// Sends a framed message; gives the answer's.
    pub async fn call(&mut self, frame: Bytes) -> Result<Bytes, Failure> {
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut message) = sender.send_request(self.head.clone(), false)?;
        message.send_data(frame, true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut all = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            all.extend_from_slice(&data);
        }
        let trailers = body.trailers().await?;
        let status = trailers
            .as_ref()
            .unwrap_or(&head.headers)
            .get("grpc-status");
        if status.is_none_or(|status| status != "0") {
            return Err(format!("refused: {head:?}, {trailers:?}").into());
        }
        let mut all = all.freeze();
        let begin = PREFIX.min(all.len());
        Ok(all.split_off(begin))
    }
}

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A message as it goes over the wire.
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.extend_from_slice(message);
    frame.freeze()
}

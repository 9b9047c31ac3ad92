//! Accepted connections. hyper waits for ever for the first bytes of a connection, and a drain for ever for
//! streams that nobody ends; both end here.

use super::gather::Gather;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Connections as they come. `silence` is how long a new one may say nothing; `closing` cuts all of them.
pub fn incoming(
    listener: TcpListener,
    silence: Duration,
    closing: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    futures::stream::unfold(listener, move |listener| {
        let closing = closing.clone();
        async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let connection = Connection::new(stream, peer, silence, closing);
                        return Some((Ok(connection), listener));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: others must close first.
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }
    })
}

/// A TCP connection that must speak up, and that can be cut.
pub struct Connection {
    stream: Gather<TcpStream>,
    peer: SocketAddr,
    /// Runs until the first bytes have come.
    silence: Option<Pin<Box<Sleep>>>,
    /// Bytes read, as long as that matters.
    heard: usize,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Length of HTTP/2's connection preface; until it is there, no timer of hyper's is running.
const PREFACE: usize = 24;

impl Connection {
    fn new(
        stream: TcpStream,
        peer: SocketAddr,
        silence: Duration,
        closing: CancellationToken,
    ) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        Self {
            stream: Gather::new(stream),
            peer,
            silence: Some(Box::pin(sleep(silence))),
            heard: 0,
            closing: Box::pin(closing.cancelled_owned()),
        }
    }

    /// What an operation gave, or that the connection is cut: looked at when there is nothing else to do, which is soon,
    /// as the runtime makes everybody wait now and then.
    fn unless_cut<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending if self.closing.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the server is shutting down",
                )))
            }
            polled => polled,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Some(silence) = &mut self.silence {
            if read.is_pending() && silence.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.heard += buffer.filled().len() - before;
            if self.heard >= PREFACE {
                self.silence = None;
            }
        }
        self.unless_cut(cx, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.unless_cut(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_cut(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.unless_cut(cx, shut)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo {
            local_addr: self.stream.get_ref().local_addr().ok(),
            remote_addr: Some(self.peer),
        }
    }
}

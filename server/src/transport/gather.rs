//! Small writes put together.
//!
//! Of a writer that takes several pieces at a time the HTTP/2 library sends what is longer than 256 bytes from where it
//! lies, and what follows it, such as the end of an answer, with the next write. An answer of a few hundred bytes is then
//! two segments, each of which costs more than all that the service does for it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A writer that keeps short pieces until it is flushed, or until one comes that is long.
pub struct Gather<W> {
    inner: W,
    kept: Vec<u8>,
    /// How much of it is written.
    written: usize,
}

/// The most that is kept. The library's own buffer holds 16 KiB, of which it gives the first before a long piece.
const KEPT: usize = 4096;

impl<W> Gather<W> {
    /// Around a writer.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            kept: Vec::new(),
            written: 0,
        }
    }

    /// The writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    fn left(&self) -> &[u8] {
        &self.kept[self.written..]
    }

    /// So much of what is kept is written.
    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.left().is_empty() {
            self.kept.clear();
            self.written = 0;
        }
    }
}

impl<W: AsyncWrite + Unpin> Gather<W> {
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left().is_empty() {
            let count =
                ready!(Pin::new(&mut self.inner).poll_write(cx, &self.kept[self.written..]))?;
            self.advance(some(count)?);
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Gather<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.kept.len() + data.len() <= KEPT {
            this.kept.extend_from_slice(data);
            return Poll::Ready(Ok(data.len()));
        }
        loop {
            let left = this.left().len();
            if left == 0 {
                return Pin::new(&mut this.inner).poll_write(cx, data);
            }
            let both = [IoSlice::new(&this.kept[this.written..]), IoSlice::new(data)];
            let count = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, &both))?;
            this.advance(some(count)?.min(left));
            if count > left {
                return Poll::Ready(Ok(count - left));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_kept(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_kept(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Gather<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

/// A writer that takes nothing never will.
fn some(count: usize) -> io::Result<usize> {
    match count {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::AsyncWriteExt;

    /// Keeps each write apart, and takes so many bytes at a time; every other one must wait.
    #[derive(Default)]
    struct Writes {
        each: Vec<Vec<u8>>,
        most: usize,
        waits: bool,
        waited: bool,
    }

    impl AsyncWrite for Writes {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(data)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.waited = self.waits && !self.waited;
            if self.waited {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let all: Vec<u8> = data.iter().flat_map(|piece| piece.to_vec()).collect();
            let count = all.len().min(self.most);
            self.each.push(all[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn writer(most: usize, waits: bool) -> Gather<Writes> {
        Gather::new(Writes {
            most,
            waits,
            ..Writes::default()
        })
    }

    #[tokio::test]
    async fn short_pieces_are_one_write_and_a_long_one_goes_with_them() {
        let mut writer = writer(usize::MAX, false);
        for piece in [&b"head"[..], b"body", b"end"] {
            writer.write_all(piece).await.unwrap();
        }
        assert!(writer.get_ref().each.is_empty());
        writer.flush().await.unwrap();
        writer.write_all(b"head").await.unwrap();
        writer.write_all(&[7; 5000]).await.unwrap();
        writer.write_all(b"end").await.unwrap();
        writer.shutdown().await.unwrap();
        let each = &writer.get_ref().each;
        let long = [&b"head"[..], &[7; 5000]].concat();
        assert_eq!(each, &[b"headbodyend".to_vec(), long, b"end".to_vec()]);
    }

    #[tokio::test]
    async fn every_byte_is_written_once_and_in_order() {
        for most in [1, 3, 4096, 5000] {
            let (mut writer, mut all) = (writer(most, true), vec![]);
            for (i, length) in [1, 700, 4090, 4097, 2, 9000, 4096, 5]
                .into_iter()
                .enumerate()
            {
                let piece: Vec<u8> = (0..length).map(|k| (k * 7 + i) as u8).collect();
                writer.write_all(&piece).await.unwrap();
                all.extend(piece);
                if i % 3 == 2 {
                    writer.flush().await.unwrap();
                    assert_eq!(writer.get_ref().each.concat(), all);
                }
            }
            writer.flush().await.unwrap();
            assert_eq!(writer.get_ref().each.concat(), all);
        }
    }

    #[test]
    fn a_writer_that_takes_nothing_is_an_error() {
        let mut writer = writer(0, false);
        let mut cx = Context::from_waker(Waker::noop());
        let write = Pin::new(&mut writer).poll_write(&mut cx, b"x");
        assert!(matches!(write, Poll::Ready(Ok(1))));
        let flush = Pin::new(&mut writer).poll_flush(&mut cx);
        assert!(matches!(flush, Poll::Ready(Err(_))));
    }
}

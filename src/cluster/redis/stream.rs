//! A byte stream to Redis that never blocks, plain or in TLS.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::tcp::Tcp;

/// How to verify the identity of the other side.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A TCP connection, and the TLS in it.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: Tcp,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// The protocol on a connected TCP connection. A TLS handshake happens with the first reads and writes.
    pub(super) fn new(tcp: Tcp, tls: Option<&Tls>) -> Result<Self, rustls::Error> {
        let tls = tls.map(|tls| ClientConnection::new(Arc::clone(&tls.config), tls.name.clone())).transpose()?;
        Ok(Self { tcp, tls: tls.map(Box::new) })
    }

    /// Sends what TLS has ready; an error of the kind `WouldBlock` if not all of it could be sent.
    fn hand_on(tls: &mut ClientConnection, tcp: &mut Tcp) -> io::Result<()> {
        while tls.wants_write() {
            if tls.write_tls(tcp)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Whether the TLS handshake is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Ends the connection; bytes that cannot be sent at once are dropped.
    pub(super) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = Self::hand_on(tls, &mut self.tcp);
        }
        self.tcp.shut();
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without TLS's close notification; Redis's protocol shows whether something is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            let end = tls.read_tls(&mut self.tcp)? == 0;
            let processed =
                tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
            // The handshake's next flight, or the alert that says what was wrong.
            match Self::hand_on(tls, &mut self.tcp) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock && processed.is_ok() => return Err(error),
                _ => {}
            }
            if processed?.plaintext_bytes_to_read() == 0 && end {
                return Ok(0);
            }
        }
    }
}

impl Write for Stream {
    /// Accepts bytes to send. TLS accepts them before they are sent: see [`flush`](Self::flush).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.write(bytes) };
        Self::hand_on(tls, &mut self.tcp)?;
        match tls.writer().write(bytes)? {
            // The handshake is not done, and enough bytes wait for it.
            0 => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        Self::hand_on(tls, &mut self.tcp)
    }
}

//! The bytes of a client: WebSocket frames, HTTP answers and requests, Engine.IO packets. Nothing here does I/O.

mod batch;
mod frame;
mod http;
mod packet;
mod request;

pub use batch::Batch;
pub use frame::{Frame, FrameError, Opcode, write_frame};
pub use http::{HttpError, Response};
pub use packet::{Packet, SEPARATOR, opened, socket_id};
pub use request::{Requests, WEBSOCKET_ACCEPT};

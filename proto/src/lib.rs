//! The public gRPC contract of Tamis: `proto/tamis/v1`, and the code generated from it.

/// Version 1: messages, clients and servers.
#[allow(clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("tamis.v1");
}

/// The descriptors of [`v1`], for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tamis.bin"));

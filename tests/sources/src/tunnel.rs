//! A company's proxy: the way to hosts whose names only it knows.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

/// Reads what precedes a body.
pub fn head_of(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// A proxy that leads to this server, whatever host is asked for: by a tunnel where one is wanted,
/// and by handing the request on otherwise. Also the first head of each connection.
pub fn tunnel_to(server: SocketAddr) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heads) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut client, tell) = (stream.unwrap(), tell.clone());
            // A client may open a connection and say nothing for a while.
            thread::spawn(move || -> std::io::Result<()> {
                let head = head_of(&mut client)?;
                let mut upstream = TcpStream::connect(server)?;
                match head.starts_with("CONNECT ") {
                    true => client.write_all(b"HTTP/1.1 200 Go on\r\n\r\n")?,
                    false => upstream.write_all(head.as_bytes())?,
                }
                let _ = tell.send(head);
                let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    // What one side has ended is over for the other.
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
                let _ = std::io::copy(&mut upstream, &mut client);
                client.shutdown(std::net::Shutdown::Both)
            });
        }
    });
    (address, heads)
}

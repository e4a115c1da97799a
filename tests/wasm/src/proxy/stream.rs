//! One exchange with bodies, played as Envoy plays it around a filter: a head that is held waits for its body, parts that
//! are held are one buffer, which the filter may replace; a local reply before the response's head was sent takes its place,
//! one behind it breaks the stream off.

use super::gateway::{Gateway, Pairs, Reply, Request};
use super::vm::{Action, Context, Vm};
use crate::HostError;

/// A body as it comes.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// In these parts; none is a message that its head ends, unless trailers follow.
    pub parts: Vec<Vec<u8>>,
    /// Lines behind it.
    pub trailers: Option<Pairs>,
    /// The sender breaks off behind the parts.
    pub is_cut: bool,
}

impl Body {
    /// In parts of so many bytes at most.
    pub fn in_parts(bytes: &[u8], size: usize) -> Body {
        Body {
            parts: bytes.chunks(size.max(1)).map(<[u8]>::to_vec).collect(),
            ..Body::default()
        }
    }

    fn ends_with_head(&self) -> bool {
        self.parts.is_empty() && self.trailers.is_none() && !self.is_cut
    }
}

/// What one side got of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Header lines.
    Head(Pairs),
    /// Bytes of the body.
    Part(Vec<u8>),
    /// Lines behind it.
    Trailers(Pairs),
    /// It is whole.
    End,
    /// It broke off.
    Reset,
}

/// What became of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Streamed {
    /// What the upstream got, in order.
    pub upstream: Vec<Event>,
    /// What the client got, in order.
    pub client: Vec<Event>,
    /// The local reply among it.
    pub reply: Option<Reply>,
}

impl Streamed {
    /// Bytes of a body.
    pub fn bytes(events: &[Event]) -> Vec<u8> {
        let parts = events.iter().filter_map(|event| match event {
            Event::Part(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        parts.collect::<Vec<_>>().concat()
    }

    /// Values of a header of the head.
    pub fn values(events: &[Event], name: &str) -> Vec<String> {
        let Some(Event::Head(lines)) = events.first() else {
            return Vec::new();
        };
        let own = lines
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        own.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// How Envoy is configured.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    /// Bytes that may be held of a body.
    pub held_max: usize,
    /// `allow_on_headers_stop_iteration`: bodies are handed over while their head is held.
    pub hands_over: bool,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams {
            held_max: 1 << 20,
            hands_over: true,
        }
    }
}

/// One direction of a stream.
#[derive(Clone, Copy)]
enum Side {
    Request,
    Response,
}

/// A message on its way through the filter.
#[derive(Default)]
struct Way {
    /// Parts are held.
    is_buffering: bool,
    events: Vec<Event>,
}

/// How a message's way went on.
#[derive(PartialEq, Eq)]
enum Course {
    /// All of it passed.
    Whole,
    /// A local reply, or its end.
    Answered,
    /// It waits for what never comes.
    Held,
}

impl Vm {
    /// One whole exchange with bodies; the upstream answers once all of the request has come.
    pub fn stream(
        &mut self,
        streams: Streams,
        request: &Request,
        sent: &Body,
        response: &Pairs,
        answered: &Body,
    ) -> Result<Streamed, HostError> {
        let context = self.open()?;
        let gateway = self.gateway();
        gateway.request = request.clone();
        gateway.replies.clear();
        gateway.closed.clear();
        gateway.calls.clear();
        gateway.bodies = [None, None];
        let mut exchange = Exchange {
            vm: self,
            context,
            streams,
            request: Way::default(),
            response: Way::default(),
            is_response_here: false,
        };
        if exchange.message(Side::Request, sent)? == Course::Whole {
            exchange.vm.gateway().response = response.clone();
            exchange.is_response_here = true;
            exchange.message(Side::Response, answered)?;
        }
        let (upstream, client) = (exchange.request.events, exchange.response.events);
        let reply = self.gateway().replies.first().cloned();
        self.close(context)?;
        Ok(Streamed {
            upstream,
            client,
            reply,
        })
    }
}

struct Exchange<'v> {
    vm: &'v mut Vm,
    context: Context,
    streams: Streams,
    request: Way,
    response: Way,
    is_response_here: bool,
}

impl Exchange<'_> {
    fn message(&mut self, side: Side, body: &Body) -> Result<Course, HostError> {
        let end = body.ends_with_head();
        let action = match side {
            Side::Request => self.vm.request_headers(self.context, end)?,
            Side::Response => self.vm.response_headers(self.context, end)?,
        };
        if self.answered()? {
            return Ok(Course::Answered);
        }
        match action {
            Action::Continue => self.release(side, Vec::new(), end),
            Action::Pause if end || !self.streams.hands_over => return Ok(Course::Held),
            Action::Pause => {}
        }
        for (number, part) in body.parts.iter().enumerate() {
            let is_last = number + 1 == body.parts.len();
            let end = is_last && body.trailers.is_none() && !body.is_cut;
            if self.part(side, part, end)? == Course::Answered {
                return Ok(Course::Answered);
            }
        }
        if body.is_cut {
            self.response.events.push(Event::Reset);
            return Ok(Course::Answered);
        }
        if let Some(trailers) = &body.trailers {
            return self.trailers(side, trailers);
        }
        Ok(match self.way(side).events.last() {
            Some(Event::End) => Course::Whole,
            _ => Course::Held,
        })
    }

    fn part(&mut self, side: Side, part: &[u8], end: bool) -> Result<Course, HostError> {
        let is_buffering = self.way(side).is_buffering;
        let held = buffer(self.vm.gateway(), side).take();
        let mut shown = held.filter(|_| is_buffering).unwrap_or_default();
        shown.extend_from_slice(part);
        let size = shown.len() as i32;
        if is_buffering && shown.len() > self.streams.held_max {
            return self.too_large(side);
        }
        *buffer(self.vm.gateway(), side) = Some(shown);
        let action = match side {
            Side::Request => self.vm.request_body(self.context, size, end)?,
            Side::Response => self.vm.response_body(self.context, size, end)?,
        };
        if self.answered()? {
            return Ok(Course::Answered);
        }
        let left = buffer(self.vm.gateway(), side).take().unwrap_or_default();
        match action {
            Action::Continue => {
                self.way(side).is_buffering = false;
                self.release(side, left, end);
            }
            Action::Pause if left.len() > self.streams.held_max => return self.too_large(side),
            Action::Pause => {
                self.way(side).is_buffering = true;
                *buffer(self.vm.gateway(), side) = Some(left);
            }
        }
        Ok(Course::Held)
    }

    fn trailers(&mut self, side: Side, trailers: &Pairs) -> Result<Course, HostError> {
        let gateway = self.vm.gateway();
        let action = match side {
            Side::Request => {
                gateway.request_trailers = Some(trailers.clone());
                self.vm.request_trailers(self.context)?
            }
            Side::Response => {
                gateway.response_trailers = Some(trailers.clone());
                self.vm.response_trailers(self.context)?
            }
        };
        if self.answered()? {
            return Ok(Course::Answered);
        }
        if action == Action::Pause {
            return Ok(Course::Held);
        }
        let left = buffer(self.vm.gateway(), side).take().unwrap_or_default();
        self.release(side, left, false);
        let gateway = self.vm.gateway();
        let lines = match side {
            Side::Request => gateway.request_trailers.take(),
            Side::Response => gateway.response_trailers.take(),
        };
        let events = &mut self.way(side).events;
        events.extend([Event::Trailers(lines.unwrap_or_default()), Event::End]);
        Ok(Course::Whole)
    }

    /// Sends on what was held, and what came.
    fn release(&mut self, side: Side, bytes: Vec<u8>, end: bool) {
        let gateway = self.vm.gateway();
        let head = match side {
            Side::Request => gateway.request.headers.clone(),
            Side::Response => gateway.response.clone(),
        };
        let way = self.way(side);
        if way.events.is_empty() {
            way.events.push(Event::Head(head));
        }
        if !bytes.is_empty() {
            way.events.push(Event::Part(bytes));
        }
        if end {
            way.events.push(Event::End);
        }
    }

    /// More is held than may be: Envoy answers by itself, past the filter's response phase where a response was begun.
    fn too_large(&mut self, side: Side) -> Result<Course, HostError> {
        let status = match side {
            Side::Request => 413,
            Side::Response => 500,
        };
        self.answer(Reply {
            status,
            headers: Pairs::new(),
            body: b"Envoy's own".to_vec(),
            grpc_status: -1,
        })?;
        Ok(Course::Answered)
    }

    /// Does what the filter asked for in the callback that has just returned.
    fn answered(&mut self) -> Result<bool, HostError> {
        let gateway = self.vm.gateway();
        if !gateway.closed.is_empty() {
            self.response.events.push(Event::Reset);
            return Ok(true);
        }
        match gateway.replies.first().cloned() {
            Some(reply) => self.answer(reply).map(|()| true),
            None => Ok(false),
        }
    }

    fn answer(&mut self, reply: Reply) -> Result<(), HostError> {
        let mut head = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
        head.extend(reply.headers.iter().cloned());
        if !self.response.events.is_empty() {
            self.response.events.push(Event::Reset);
            return Ok(());
        }
        let events = match self.is_response_here {
            true => vec![Event::Head(head), Event::Part(reply.body), Event::End],
            false => {
                // It passes the response phase of the filter that sent it.
                self.vm.gateway().response = head;
                let size = reply.body.len() as i32;
                let passes = self.vm.response_headers(self.context, false)? == Action::Continue;
                self.vm.gateway().bodies[1] = Some(reply.body);
                if !passes || self.vm.response_body(self.context, size, true)? == Action::Pause {
                    return Ok(());
                }
                let gateway = self.vm.gateway();
                let body = gateway.bodies[1].take().unwrap_or_default();
                vec![
                    Event::Head(gateway.response.clone()),
                    Event::Part(body),
                    Event::End,
                ]
            }
        };
        self.response.events = events;
        Ok(())
    }

    fn way(&mut self, side: Side) -> &mut Way {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

/// What calls about the body of a direction are about.
fn buffer(gateway: &mut Gateway, side: Side) -> &mut Option<Vec<u8>> {
    let [request, response] = &mut gateway.bodies;
    match side {
        Side::Request => request,
        Side::Response => response,
    }
}

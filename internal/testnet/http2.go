package testnet

import (
	"encoding/binary"
	"io"
	"net"
)

// This file speaks just enough HTTP/2 to break it: RFC 9113, sections 4 and 6.

const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4

	codeRefusedStream   = 7
	codeCancel          = 8
	codeEnhanceYourCalm = 11

	status200       = "\x88"                     // HPACK: static entry 8
	contentLength10 = "\x0f\x0d\x0210"           // HPACK: a literal, named by static entry 28
	noWindow        = "\x00\x04\x00\x00\x00\x00" // SETTINGS_INITIAL_WINDOW_SIZE is 0
)

// An http2Peer is the server's end of an HTTP/2 connection.
type http2Peer struct {
	settings string // the payload of its SETTINGS frame
	// answer is called for each request. It reports whether to continue.
	answer func(p *http2Conn, stream uint32) bool
}

type http2Conn struct {
	net.Conn
	f     *Faults
	name  string
	first bool // whether this is the first request to any peer of f
}

var http2Peers = map[string]http2Peer{
	"h2 that refuses": {answer: func(p *http2Conn, stream uint32) bool {
		p.write(frameReset, 0, stream, code(codeRefusedStream))
		if !p.first {
			p.f.Stall(p.name) // net/http now waits for a second
		}
		return true
	}},
	"h2 that refuses once": {answer: func(p *http2Conn, stream uint32) bool {
		if p.first {
			p.write(frameReset, 0, stream, code(codeRefusedStream))
		} else {
			p.write(frameHeaders, flagEndHeaders|flagEndStream, stream, status200)
		}
		return true
	}},
	"h2 reset in the body": {answer: func(p *http2Conn, stream uint32) bool {
		p.write(frameHeaders, flagEndHeaders, stream, status200)
		p.write(frameData, 0, stream, "short")
		p.write(frameReset, 0, stream, code(codeCancel))
		return true
	}},
	"h2 shorter": {answer: func(p *http2Conn, stream uint32) bool {
		p.write(frameHeaders, flagEndHeaders, stream, status200+contentLength10)
		p.write(frameData, flagEndStream, stream, "short")
		return true
	}},
	"h2 GOAWAY": {answer: func(p *http2Conn, stream uint32) bool {
		p.write(frameGoAway, 0, 0, code(stream)+code(codeEnhanceYourCalm))
		return false
	}},
	"h2 GOAWAY in the body": {answer: func(p *http2Conn, stream uint32) bool {
		p.write(frameHeaders, flagEndHeaders, stream, status200)
		p.write(frameData, 0, stream, "short")
		p.write(frameGoAway, 0, 0, code(stream)+code(codeEnhanceYourCalm))
		return false
	}},
	"h2 GOAWAY unseen": {answer: func(p *http2Conn, stream uint32) bool {
		if p.first { // the request was not processed and will not be
			p.write(frameGoAway, 0, 0, code(0)+code(0))
			return false
		}
		p.write(frameHeaders, flagEndHeaders|flagEndStream, stream, status200)
		return true
	}},
	"h2 gone": {answer: func(*http2Conn, uint32) bool { return false }},
	"h2 gone in the body": {answer: func(p *http2Conn, stream uint32) bool {
		p.write(frameHeaders, flagEndHeaders, stream, status200)
		p.write(frameData, 0, stream, "short")
		return false
	}},
	"h2 without a window": {settings: noWindow, answer: func(p *http2Conn, _ uint32) bool {
		p.f.Stall(p.name)
		return true
	}},
}

// talk speaks HTTP/2 until the client hangs up or answer returns false.
func (peer http2Peer) talk(f *Faults, name string, conn net.Conn) {
	p := &http2Conn{Conn: conn, f: f, name: name}
	if _, err := io.CopyN(io.Discard, p, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	p.write(frameSettings, 0, 0, peer.settings)
	for {
		var h [9]byte // length, type, flags, stream
		if _, err := io.ReadFull(p, h[:]); err != nil {
			return
		}
		payload := make([]byte, int(h[0])<<16|int(h[1])<<8|int(h[2]))
		if _, err := io.ReadFull(p, payload); err != nil {
			return
		}
		switch kind, flags, stream := h[3], h[4], binary.BigEndian.Uint32(h[5:]); {
		case (kind == frameSettings || kind == framePing) && flags&flagAck == 0:
			if kind == frameSettings {
				payload = nil
			}
			p.write(kind, flagAck, 0, string(payload))
		case kind == frameHeaders:
			p.first = f.requests.Add(1) == 1
			if !peer.answer(p, stream) {
				return
			}
		}
	}
}

// write writes one frame.
func (p *http2Conn) write(kind, flags byte, stream uint32, payload string) {
	n := len(payload)
	frame := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	frame = binary.BigEndian.AppendUint32(frame, stream)
	p.Write(append(frame, payload...))
}

// code returns a number of 32 bits, as error codes and streams are, as bytes.
func code(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

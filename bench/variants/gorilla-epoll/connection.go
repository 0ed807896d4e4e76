package main

import (
	"bufio"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

const (
	opcodePing = 9
	opcodePong = 10
)

// A connection, and the buffer that its library reads through: what is left in there, epoll does not report.
type connection struct {
	*websocket.Conn
	reader *bufio.Reader
}

// Echoes what is there. An error is how a connection ends.
func (c *connection) ready() error {
	for {
		control, err := c.answerControl()
		if err != nil {
			return err
		}
		if !control {
			kind, message, err := c.ReadMessage()
			if err != nil {
				return err
			}
			if err := c.WriteMessage(kind, message); err != nil {
				return err
			}
		}
		if c.reader.Buffered() == 0 {
			return nil
		}
	}
}

// Answers a ping that comes next, drops a pong. ReadMessage would do that too, but then wait for a message, and all
// others with it.
func (c *connection) answerControl() (bool, error) {
	const header = 6
	start, err := c.reader.Peek(2)
	if err != nil {
		return false, err
	}
	opcode, payload := start[0]&0x0F, int(start[1]&0x7F)
	// What breaks the RFC is left to the library, which closes with a code.
	whole := start[0]&0xF0 == 0x80 && start[1]&0x80 != 0 && payload <= 125
	if !whole || opcode != opcodePing && opcode != opcodePong {
		return false, nil
	}
	frame, err := c.reader.Peek(header + payload)
	if err != nil {
		return false, err
	}
	if opcode == opcodePing {
		pong := make([]byte, payload)
		for i := range pong {
			pong[i] = frame[header+i] ^ frame[2+i%4]
		}
		if err := c.WriteMessage(websocket.PongMessage, pong); err != nil {
			return false, err
		}
	}
	_, err = c.reader.Discard(header + payload)
	return true, err
}

// Gives the library a read buffer that stays known here.
type hijacker struct {
	http.ResponseWriter
	bytes  int
	reader *bufio.Reader
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	stream, buffers, err := h.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if buffers.Reader.Buffered() > 0 {
		// The upgrade fails: nothing may come before its answer.
		return stream, buffers, nil
	}
	h.reader = bufio.NewReaderSize(stream, h.bytes)
	return stream, bufio.NewReadWriter(h.reader, buffers.Writer), nil
}

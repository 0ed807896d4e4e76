// Echo over WebSocket on gorilla/websocket: no goroutine per connection, but one that waits for all of them with epoll.
//
// The library blocks until a message is whole. Who sends half of one and waits makes all others wait; that is the
// price of this design, not of this program.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"

	"github.com/gorilla/websocket"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8085", "address")
	procs := flag.Int("procs", 1, "threads that run Go code at once (GOMAXPROCS)")
	readBuffer := flag.Int("read-buffer", 1024, "bytes of a connection's read buffer")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)

	upgrader := &websocket.Upgrader{
		// Lent for the time of a write, as the library advises for connections that seldom write.
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true },
	}
	loop, err := newLoop()
	if err != nil {
		log.Fatal(err)
	}
	// TCP_NODELAY is on by Go's own choice.
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on ws://%s/\n", listener.Addr())
	go loop.run()
	open := func(response http.ResponseWriter, request *http.Request) {
		writer := &hijacker{ResponseWriter: response, bytes: *readBuffer}
		websocketConnection, err := upgrader.Upgrade(writer, request, nil)
		if err != nil {
			return
		}
		if err := loop.add(&connection{websocketConnection, writer.reader}); err != nil {
			websocketConnection.Close()
		}
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(open)))
}

// Echo over WebSocket on gorilla/websocket: a goroutine per connection.
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
		ReadBufferSize: *readBuffer,
		// Lent for the time of a write, as the library advises for connections that seldom write.
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true },
	}
	// TCP_NODELAY is on by Go's own choice.
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on ws://%s/\n", listener.Addr())
	open := func(response http.ResponseWriter, request *http.Request) {
		connection, err := upgrader.Upgrade(response, request, nil)
		if err != nil {
			return
		}
		// On a goroutine of its own, so that what HTTP needed is given back.
		go echo(connection)
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(open)))
}

func echo(connection *websocket.Conn) {
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if err := connection.WriteMessage(kind, message); err != nil {
			return
		}
	}
}

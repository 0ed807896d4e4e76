// The same service with Go's standard library: go run service.go.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WebHook-Allowed-Origin", "*") // the answer to OPTIONS: "do you want events?"
		w.Header().Set("Content-Type", "text/plain")
		if r.Header.Get("ce-type") != "azure.webpubsub.user.message" {
			return
		}
		said, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Printf("%s says %s\n", r.Header.Get("ce-userId"), said)
		fmt.Fprintf(w, "you said %s", said)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}

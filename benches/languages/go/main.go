// The cost in Go of a token that the process knows, against the minimum for any binding: an empty call into C, and a
// copy of 512 bytes into a Go string. Run it under warm.py.
package main

// #include <stdlib.h>
// static void empty(void) {}
import "C"

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"testing"
	"time"
	"unsafe"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

const (
	rounds = 100
	calls  = 10000 // in a round of each
)

// Keeps the compiler from removing unused results.
var sink string

func main() {
	store, err := wxtoken.Open("")
	check(err)
	defer store.Close()
	inC := C.CString(os.Getenv("WXBENCH_TOKEN"))
	defer C.free(unsafe.Pointer(inC))

	token := func() {
		token, err := store.Token(context.Background(), "shop")
		check(err)
		sink = token.Value
	}
	floor := func() {
		C.empty()
		sink = C.GoStringN(inC, 512)
	}
	for _, f := range []func(){token, floor} {
		f()
		if sink != os.Getenv("WXBENCH_TOKEN") {
			log.Fatal("go: this is not the token of $WXBENCH_TOKEN: run this under warm.py")
		}
	}
	out := json.NewEncoder(os.Stdout)
	for round := 0; round < rounds; round++ {
		out.Encode(map[string]any{"bench": "go-token", "ns": nanoseconds(token)})
		out.Encode(map[string]any{"bench": "go-floor", "ns": nanoseconds(floor)})
	}
	out.Encode(map[string]any{"fact": "go-allocs", "value": testing.AllocsPerRun(calls, token)})
	out.Encode(map[string]any{"fact": "go-floor-allocs", "value": testing.AllocsPerRun(calls, floor)})
}

// nanoseconds is the time of one call, averaged over a round.
func nanoseconds(call func()) float64 {
	start := time.Now()
	for i := 0; i < calls; i++ {
		call()
	}
	return float64(time.Since(start).Nanoseconds()) / calls
}

func check(err error) {
	if err != nil {
		log.Fatal("go: ", err)
	}
}

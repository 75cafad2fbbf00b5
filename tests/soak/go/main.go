// One process of the soak of expiries, in Go: see `worker expiry` in worker.c.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

const pause = 5 * time.Millisecond

type served struct {
	name                     string
	token                    wxtoken.Token
	askedMS, gets, slowestMS int64
}

func (s *served) getOnceMore(store *wxtoken.Store) {
	asked := time.Now()
	token, err := store.Token(context.Background(), s.name)
	if err != nil {
		fmt.Println("failed", s.name, err)
		return
	}
	took := time.Since(asked).Milliseconds()
	isNew := token.Value != s.token.Value
	if isNew {
		s.say()
		*s = served{name: s.name, token: token}
	}
	s.askedMS = asked.UnixMilli()
	s.gets++
	if took > s.slowestMS {
		s.slowestMS = took
	}
	if isNew {
		s.say()
	}
}

func (s *served) say() {
	if s.gets > 0 {
		fmt.Println("served", s.name, s.token.Value, s.token.ExpiresAt.Unix(), s.askedMS, s.gets, s.slowestMS)
	}
}

func main() {
	store, err := wxtoken.Open("")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Token(context.Background(), os.Args[2]); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	var everything []*served
	for _, name := range os.Args[3:] {
		everything = append(everything, &served{name: name})
	}
	for turn, ticks := 0, time.NewTicker(pause); ; turn++ {
		// Memory that the collector would free later must not count as a leak.
		if turn%100 == 0 {
			debug.FreeOSMemory()
		}
		for _, s := range everything {
			s.getOnceMore(store)
		}
		select {
		case <-over:
			for _, s := range everything {
				s.say()
			}
			return
		case <-ticks.C:
		}
	}
}

package main

import (
	"encoding/binary"
	"os"
	"time"
)

// now is the test's time: ahead by the milliseconds in the file $SDKS_CLOCK. A Go program asks the kernel without the C
// library, so the preloaded clock does not reach it. Its caches ask here.
func now() time.Time {
	ahead, err := os.ReadFile(os.Getenv("SDKS_CLOCK"))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(time.Duration(binary.LittleEndian.Uint64(ahead)) * time.Millisecond)
}

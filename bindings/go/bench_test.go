//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"context"
	"testing"
)

// A token that the process knows, with a context that cannot end: no goroutine, and no allocation (Go 1.19
// makes one of 8 bytes in cgo).
func BenchmarkToken(b *testing.B) {
	store, _ := openShop(b)
	mustToken(b, store, "shop")
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if _, err := store.Token(context.Background(), "shop"); err != nil {
			b.Fatal(err)
		}
	}
}

// The same with a context that can end, as a web server's.
func BenchmarkTokenWithACancellableContext(b *testing.B) {
	store, _ := openShop(b)
	mustToken(b, store, "shop")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if _, err := store.Token(ctx, "shop"); err != nil {
			b.Fatal(err)
		}
	}
}

// All processors at once.
func BenchmarkTokenInParallel(b *testing.B) {
	store, _ := openShop(b)
	mustToken(b, store, "shop")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := store.Token(context.Background(), "shop"); err != nil {
				b.Error(err)
			}
		}
	})
}

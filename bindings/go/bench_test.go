//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"context"
	"testing"
)

// BenchmarkToken gets a token that the process knows, with a context that cannot end. It starts no goroutine and allocates
// nothing, except on Go 1.19, where cgo allocates 8 bytes.
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

// BenchmarkTokenWithACancellableContext gets a known token with a context that can end, as in a web server.
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

// BenchmarkTokenInParallel gets a known token on all processors at once.
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

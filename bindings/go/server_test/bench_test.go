package server_test

import (
	"context"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// BenchmarkAKnownToken gets a token that the process knows: in main, in the handler of a web server, and on all processors.
func BenchmarkAKnownToken(b *testing.B) {
	r := startRelay(b)
	r.shop(b)
	store := r.open(b, wxtoken.WithOption("revalidate_ms", "60000"))
	mustToken(b, store, "shop")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"Background": context.Background(), "Cancellable": ctx} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				if _, err := store.Token(ctx, "shop"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("InParallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := store.Token(context.Background(), "shop"); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

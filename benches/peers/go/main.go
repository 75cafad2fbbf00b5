// The cost of a token in github.com/silenceper/wechat, from its caches in memory and in Redis, and the cost of its bare
// GET by go-redis. Run it under warm.py and with_redis.py.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"
	"time"

	"github.com/go-redis/redis/v8"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/util"
)

const (
	rounds    = 100
	bareCalls = 30
)

// Keeps the compiler from removing unused results.
var sink string

func main() {
	// The first call fetches from the simulator, and fills the cache.
	util.SetURIModifier(func(uri string) string {
		return strings.Replace(uri, "https://api.weixin.qq.com", os.Getenv("WXTOKEN_API_BASE_URL"), 1)
	})
	inRedis := cache.NewRedis(context.Background(), &cache.RedisOpts{Host: os.Getenv("WXBENCH_REDIS")})
	peers := []struct {
		name  string
		calls int // in a round
		cache cache.Cache
	}{
		{"silenceper-memory", 3000, cache.NewMemory()},
		{"silenceper-redis", 30, inRedis},
	}
	bare := newBareGet()
	out := json.NewEncoder(os.Stdout)
	handles := make([]credential.AccessTokenHandle, len(peers))
	for i, peer := range peers {
		handles[i] = credential.NewDefaultAccessToken(
			os.Getenv("WXBENCH_APPID"), os.Getenv("WXBENCH_SECRET"), credential.CacheKeyOfficialAccountPrefix, peer.cache)
		get(handles[i])
		if sink != os.Getenv("WXBENCH_TOKEN") {
			log.Fatalf("%s: this is not the token of $WXBENCH_TOKEN: run this under warm.py", peer.name)
		}
	}
	for round := 0; round < rounds; round++ {
		for i, peer := range peers {
			start := time.Now()
			for call := 0; call < peer.calls; call++ {
				get(handles[i])
			}
			ns := float64(time.Since(start).Nanoseconds()) / float64(peer.calls)
			out.Encode(map[string]any{"bench": peer.name, "ns": ns})
		}
		start := time.Now()
		for call := 0; call < bareCalls; call++ {
			bare()
		}
		ns := float64(time.Since(start).Nanoseconds()) / bareCalls
		out.Encode(map[string]any{"bench": "go-redis", "ns": ns})
	}
}

func newBareGet() func() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: os.Getenv("WXBENCH_REDIS")})
	if err := client.Set(ctx, "access_token", os.Getenv("WXBENCH_TOKEN"), 0).Err(); err != nil {
		log.Fatal("go-redis: ", err)
	}
	return func() {
		token, err := client.Get(ctx, "access_token").Result()
		if err != nil {
			log.Fatal("go-redis: ", err)
		}
		sink = token
	}
}

func get(handle credential.AccessTokenHandle) {
	token, err := handle.GetAccessToken()
	if err != nil {
		log.Fatal("silenceper: ", err)
	}
	sink = token
}

// Package wxtoken hands out WeChat access tokens. Each token is fetched once and shared by every process and every language
// on the host, through one store. The package is a thin layer over the C library libwxtoken, which must be installed.
// Without cgo it is a client of a wxtoken server.
//
//	store, err := wxtoken.Open("/var/lib/wx/tokens.db")
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	err = store.Register(wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: appID, Secret: secret})
//	if err != nil {
//		return err
//	}
//	token, err := store.Token(ctx, "shop")
//
// # Without cgo
//
// With CGO_ENABLED=0 the program is static, and its store is a wxtoken server: "https://HOST", "unix:/PATH", or "http://"
// to loopback. The build tag wxtoken_nocgo does the same for a program that uses cgo for something else. Importing the
// package purego, for its side effect only, loads the C library into a program without cgo, so that it can use every store.
//
// # SDKs
//
// AccessTokenHandle and TicketHandle (silenceper/wechat), TokenProvider (go-workwx), TokenServer and TicketServer
// (chanxuehong/wechat) and CustomToken (PowerWeChat) pass a Store's tokens to an SDK through the SDK's own hook. Most
// clients have no hook that notices a refused token. Transport does this for any client of net/http. The README shows each
// in three lines.
//
// # Goroutines
//
// A Store is safe for concurrent use by multiple goroutines. A call that waits for WeChat or for another process holds an
// operating system thread meanwhile. Go ends a program that needs 10,000 threads. For this reason at most 500 calls are
// inside the library at a time in one process, as package net does for its look-ups through cgo. Further calls queue in Go,
// where they hold no thread. Without cgo no call holds a thread.
//
// # Fork
//
// Starting programs with os/exec is safe at any time. A Go program cannot fork without an exec.
//
// # Environment
//
// The library reads its environment variables in Open, through C. It sees the effect of os.Setenv. Do not call os.Setenv
// and Open at the same time.
package wxtoken

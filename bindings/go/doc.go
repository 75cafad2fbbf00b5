// Package wxtoken gives WeChat access tokens: one per account, fetched once, shared by every process and every language
// on the host through one SQLite store. It is a thin layer over the C library libwxtoken, which must be installed, or without
// cgo a client of a wxtoken server.
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
// With CGO_ENABLED=0 the program is static, and its stores are wxtoken servers alone: "https://HOST", "unix:/PATH", "http://"
// to loopback. The tag wxtoken_nocgo makes the same of a program that uses cgo for something else. The package purego, which
// is imported for that alone, loads the C library into a program without cgo, and so gives it every store.
//
// # SDKs
//
// AccessTokenHandle and TicketHandle (silenceper/wechat), TokenProvider (go-workwx), TokenServer and TicketServer
// (chanxuehong/wechat) and CustomToken (PowerWeChat) give a Store's tokens to an SDK through its own hook. Transport gives
// any client of net/http the hook that most lack: to notice that a token was refused. The README has each in three lines.
//
// # Goroutines
//
// A Store may be used by any number of goroutines at once. A call that has to wait, for WeChat or for another process,
// holds an operating system thread for as long. Go ends a program that needs 10,000 of them, so at most 500 calls are
// inside the library at a time in one process, as package net does for its look-ups through cgo; further ones queue in
// Go, where they cost no thread. Without cgo no call holds a thread.
//
// # Fork
//
// Starting programs with os/exec is safe at any time. Forking without an exec is not a thing that Go programs can do.
//
// # Environment
//
// The library reads its environment variables in Open, through C. os.Setenv is seen there, but must not run at the same
// time as Open.
package wxtoken

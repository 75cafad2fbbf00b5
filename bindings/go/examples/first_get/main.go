// The program first_get registers an account, gets its token, and prints how long that took.
//
// The library itself reads $WXTOKEN_STORE, $WXTOKEN_API_BASE_URL and $WXTOKEN_WORK_BASE_URL from the environment.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func main() {
	if err := firstGet(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func firstGet() error {
	store, err := wxtoken.Open("")
	if err != nil {
		return err
	}
	defer store.Close()

	if id := os.Getenv("WXTOKEN_ID"); id != "" {
		account := wxtoken.Account{Name: "demo", Kind: wxtoken.Official, ID: id, Secret: os.Getenv("WXTOKEN_SECRET")}
		if kind := os.Getenv("WXTOKEN_KIND"); kind != "" {
			account.Kind = wxtoken.Kind(kind)
		}
		if err := store.Register(account); err != nil {
			return err
		}
	}

	start := time.Now()
	token, err := store.Token(context.Background(), "demo")
	took := time.Since(start)
	if err != nil {
		return err
	}
	// A Token prints as its first 8 characters and its last 4.
	fmt.Printf("Go  %v  %d chars  expires in %.0f s  %d us\n",
		token, len(token.Value), time.Until(token.ExpiresAt).Seconds(), took.Microseconds())
	return nil
}

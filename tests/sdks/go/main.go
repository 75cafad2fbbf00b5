// The program sdks is PowerWeChat, silenceper/wechat or go-workwx with a token of the server: one business call for each line
// that it reads, and what came of it. Its argument names the SDK. Business calls go to WeChat by its own name, which the
// simulator's proxy answers: HTTPS_PROXY and SSL_CERT_FILE lead there.
// With the argument forward, the server is there for business calls too.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// An sdk is made for a server, with an id and a key, and gives its business call.
type sdk func(server, id, key string) (call func() error, err error)

var sdks = map[string]sdk{
	"powerwechat":       powerWeChat,
	"silenceper":        silenceper,
	"silenceper-stable": silenceperStable,
	"go-workwx":         goWorkwx,
}

func main() {
	if os.Args[1] == "forward" {
		if err := forward(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	call, err := sdks[os.Args[1]](os.Getenv("SDKS_SERVER"), os.Getenv("SDKS_ID"), os.Getenv("SDKS_KEY"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := call(); err != nil {
			fmt.Println("errcode in: " + strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok")
		}
	}
}

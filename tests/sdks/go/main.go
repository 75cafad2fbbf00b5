// The program sdks runs PowerWeChat, silenceper/wechat or go-workwx with a token of the server. For each line that it
// reads it makes one business call and prints the result. Its argument names the SDK. Business calls use WeChat's own
// name, which the simulator's proxy answers: HTTPS_PROXY and SSL_CERT_FILE point there. With the argument forward,
// business calls go through the server too.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// An sdk is created for a server, with an id and a key, and returns its business call.
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

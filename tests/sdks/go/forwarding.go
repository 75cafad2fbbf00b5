package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// A forwarded SDK makes all its calls through the server. forwarding.py defines the lines that it reads and its
// answers.
type forwarded interface {
	call() error
	upload(path string) (mediaID string, err error)
	download(mediaID string) (io.ReadCloser, error)
	// token returns the token in its store.
	token() (string, error)
}

const text = "您好，世界"

var forwardedSDKs = map[string]func(server, id, key string) (forwarded, error){
	"go-workwx":   forwardedGoWorkwx,
	"silenceper":  forwardedSilenceper,
	"powerwechat": forwardedPowerWeChat,
}

// Each argument is an SDK with its id, such as go-workwx=ww1.
func forward(arguments []string) error {
	sdks := map[string]forwarded{}
	for _, argument := range arguments {
		name, id, _ := strings.Cut(argument, "=")
		sdk, err := forwardedSDKs[name](os.Getenv("SDKS_SERVER"), id, os.Getenv("SDKS_KEY"))
		if err != nil {
			return err
		}
		sdks[name] = sdk
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Split(lines.Text(), " ")
		said, err := answer(sdks[words[0]], words[1:])
		if err != nil {
			said = "errcode in: " + err.Error()
		}
		fmt.Println(strings.ReplaceAll(said, "\n", " "))
	}
	return nil
}

func answer(sdk forwarded, words []string) (string, error) {
	switch words[0] {
	case "call":
		return "ok", sdk.call()
	case "upload":
		mediaID, err := sdk.upload(words[1])
		return "ok " + mediaID, err
	case "download":
		body, err := sdk.download(words[1])
		if err != nil {
			return "", err
		}
		defer body.Close()
		file, err := os.Create(words[2])
		if err != nil {
			return "", err
		}
		defer file.Close()
		_, err = io.Copy(file, body)
		return "ok", err
	case "token":
		token, err := sdk.token()
		return "ok " + token, err
	}
	return "", fmt.Errorf("it has no %s", words[0])
}

func wants(is, wanted string) error {
	if is != wanted {
		return fmt.Errorf("%q, and not %q", is, wanted)
	}
	return nil
}

// watched records the token of each request, since go-workwx does not expose it.
type watched struct{ token string }

func (w *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if token := r.URL.Query().Get("access_token"); token != "" {
		w.token = token
	}
	return http.DefaultTransport.RoundTrip(r)
}

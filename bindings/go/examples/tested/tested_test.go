package tested

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// playServer plays a wxtoken server. The token of "shop" is "first", and "second" once it was rejected.
func playServer(t *testing.T) *wxtoken.Store {
	var isRejected atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/token/shop":
			token := "first"
			if isRejected.Load() {
				token = "second"
			}
			fmt.Fprintf(w, `{"token":%q,"expires_at":%d,"expires_in":7200}`, token, time.Now().Unix()+7200)
		case "/v1/reject/shop":
			isRejected.Store(true)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, `{"error":{"status":"WXTOKEN_E_API","errcode":40164,"message":"invalid ip","retry_after_ms":60000}}`)
		}
	}))
	t.Cleanup(server.Close)
	store, err := wxtoken.Open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// playWeChat plays WeChat, which takes only the token "second".
func playWeChat(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("access_token") != "second" {
			fmt.Fprint(w, `{"errcode":40001,"errmsg":"invalid credential"}`)
			return
		}
		fmt.Fprint(w, `{"ip_list":["127.0.0.1"]}`)
	}))
	t.Cleanup(server.Close)
	before := WeChat
	t.Cleanup(func() { WeChat = before })
	WeChat = server.URL
	return server
}

func TestARefusedTokenIsReplaced(t *testing.T) {
	playWeChat(t)
	addresses, err := CallbackIPs(context.Background(), playServer(t))
	if err != nil || len(addresses) != 1 || addresses[0] != "127.0.0.1" {
		t.Fatal(addresses, err)
	}
}

func TestAFailureIsTold(t *testing.T) {
	_, err := playServer(t).Token(context.Background(), "other")
	var failure *wxtoken.Error
	if !errors.As(err, &failure) || !errors.Is(err, wxtoken.ErrAPI) {
		t.Fatal(err)
	}
	if failure.Errcode != 40164 || failure.RetryAfter != time.Minute {
		t.Errorf("errcode %d, another try after %v", failure.Errcode, failure.RetryAfter)
	}
}

func TestAnErrorOfTheCallDoesNotShowTheToken(t *testing.T) {
	store := playServer(t)
	playWeChat(t).Close()
	if _, err := CallbackIPs(context.Background(), store); err == nil || strings.Contains(err.Error(), "first") {
		t.Error(err)
	}
}

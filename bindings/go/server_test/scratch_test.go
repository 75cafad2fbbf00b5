package server_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

func TestAServersCertificateIsVerified(t *testing.T) {
	a := newAuthority(t)
	inAnHour := time.Now().Add(time.Hour)
	for _, c := range []struct {
		what, name string
		until      time.Time
		caFile     string
		said       []string
	}{
		{"a stranger's certificate", "127.0.0.1", inAnHour, "", []string{"TLS", "not trusted here", "ca_file"}},
		{"another host's certificate", "tokens.example.com", inAnHour, a.caFile(), []string{"TLS", "tokens.example.com", "not for 127.0.0.1"}},
		{"an old certificate", "127.0.0.1", time.Now().Add(-time.Hour), a.caFile(), []string{"TLS", "expired at", "clock"}},
		{"its certificate", "127.0.0.1", inAnHour, a.caFile(), nil},
	} {
		url, key, operator := serveTLS(t, a, c.name, c.until)
		account := testkit.Shop(t)
		operator(account.Secret, "account", "add", "shop", "--kind", "official", "--id", account.ID)
		store := openAt(t, url, wxtoken.WithOption("server_key", key), wxtoken.WithOption("ca_file", c.caFile))
		_, err := store.Token(context.Background(), "shop")
		if (err == nil) != (c.said == nil) || err != nil && !errors.Is(err, wxtoken.ErrStore) {
			t.Errorf("%s: %v", c.what, err)
		}
		for _, said := range c.said {
			if err != nil && !strings.Contains(err.Error(), said) {
				t.Errorf("%s: no word of %q: %v", c.what, said, err)
			}
		}
	}
}

// An image made FROM scratch holds a program, and here an authority's certificate: no library, no /etc, no /proc.
func TestAStaticProgramGetsItsFirstTokenInAnEmptyDirectory(t *testing.T) {
	root := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(root, "program"), "github.com/libwxtoken/libwxtoken/bindings/go/examples/first_get")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	a := newAuthority(t)
	url, key, operator := serveTLS(t, a, "127.0.0.1", time.Now().Add(time.Hour))
	account := testkit.Shop(t)
	operator(account.Secret, "account", "add", "demo", "--kind", "official", "--id", account.ID)
	ca, err := os.ReadFile(a.caFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "ca.pem"), ca, 0o644); err != nil {
		t.Fatal(err)
	}
	program := exec.Command("/program")
	program.Env = []string{"WXTOKEN_STORE=" + url, "WXTOKEN_SERVER_KEY=" + key, "WXTOKEN_CA_FILE=/ca.pem"}
	program.Dir = "/"
	program.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Getuid() != 0 {
		program.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		program.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		program.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	said, err := program.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		notRun(t, "test-go/scratch: this user may not change the root, and there are no user namespaces")
	}
	if err != nil || !strings.Contains(string(said), "chars  expires in") {
		t.Errorf("%v: %s", err, said)
	}
}

// notRun reports what this machine cannot provide, in the form that tests/run.py looks for.
func notRun(t *testing.T, why string) {
	if list := os.Getenv("WXTOKEN_NOT_RUN"); list != "" {
		file, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		fmt.Fprintln(file, why)
	}
	t.Skip(why)
}

package client

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"time"
)

func TestEachAddressHasItsTurnHoweverShortTheTimeIs(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	good, dead := open.Addr().String(), deadAddress(t)
	// The machine may stall, so any try counts.
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		conn, err := connectFirst(ctx, []string{dead, good})
		cancel()
		if err == nil {
			conn.Close()
			break
		}
		if try == 20 {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := connectFirst(ctx, []string{dead, dead}); !isTimeout(err) {
		t.Errorf("dead addresses: %v", err)
	}
}

func TestAnAddressThatRefusesMakesWayAtOnce(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	closed, err := net.Listen("tcp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	refuses := closed.Addr().String()
	closed.Close()
	conn, err := connectFirst(context.Background(), []string{refuses, refuses, open.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := connectFirst(context.Background(), []string{refuses, refuses}); err == nil {
		t.Error("nobody listens there")
	}
}

func TestFamiliesTakeTurnsBeginningWithTheFirst(t *testing.T) {
	var given, expected []netip.Addr
	for _, text := range []string{"::1", "::2", "1.1.1.1", "::3", "1.1.1.2"} {
		given = append(given, netip.MustParseAddr(text))
	}
	for _, text := range []string{"::1", "1.1.1.1", "::2", "1.1.1.2", "::3"} {
		expected = append(expected, netip.MustParseAddr(text))
	}
	if turns := inTurns(given); !reflect.DeepEqual(turns, expected) {
		t.Errorf("they are %v", turns)
	}
}

// deadAddress returns an address that drops connections: a listener's, whose queue is full.
func deadAddress(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 2}), uint16(bound.(*syscall.SockaddrInet4).Port)).String()
	for {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}

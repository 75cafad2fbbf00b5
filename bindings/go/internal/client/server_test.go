package client

import "testing"

func TestTheLeastRecentlyOpenedIsDroppedAndNothingInUse(t *testing.T) {
	type kept struct {
		users
		name int
	}
	var all []*kept
	open := func(name int) (found, dropped *kept) {
		all, found, dropped = opened(all, func(k *kept) bool { return k.name == name }, &kept{name: name})
		return found, dropped
	}
	inUse, _ := open(0)
	for name := 1; name < most; name++ {
		found, _ := open(name)
		found.remove()
	}
	again, dropped := open(1)
	if len(all) != most || dropped != nil || all[most-1] != again || again.users != 1 {
		t.Fatalf("opened again: %d are kept, %v is dropped", len(all), dropped)
	}
	again.remove()
	if _, dropped = open(most); dropped == nil || dropped.name != 2 || len(all) != most || all[0] != inUse {
		t.Errorf("one too many: %v is dropped, %d are kept", dropped, len(all))
	}
}

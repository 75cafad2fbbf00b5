package io.github.libwxtoken;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Makes the gets of a Store. They have their own memory outside of the heap. The Token of the last
 * time is returned again if it is unchanged. They use no read lock, because all threads would write
 * to it.
 */
final class Gets {
  private static final int PLACES = 16;
  // No two places share a line of the processor's cache.
  private static final int APART = 32;
  // A program alternates between few names, such as an access token and a ticket.
  private static final int GIVEN = 8;

  /** The content of a place while a call uses its room. */
  private static final Room TAKEN = new Room();

  private final AtomicReferenceArray<Room> places = new AtomicReferenceArray<>(PLACES * APART);
  // The number of calls that have found no place.
  private final AtomicInteger beyond = new AtomicInteger();
  private final AtomicReferenceArray<Given> given = new AtomicReferenceArray<>(GIVEN);
  private volatile boolean closed;

  /** Makes a get. Null means the current account. */
  Token get(long wx, String name) {
    int first = (int) Thread.currentThread().getId();
    for (int i = 0; i < PLACES; i++) {
      int place = ((first + i) & (PLACES - 1)) * APART;
      Room room = places.getAndSet(place, TAKEN);
      if (room != TAKEN) {
        try {
          // Allocating the memory may fail.
          room = room == null ? new Room() : room;
          return get(wx, name, room);
        } finally {
          places.set(place, room);
          left();
        }
      }
    }
    beyond.incrementAndGet();
    try {
      return get(wx, name, new Room());
    } finally {
      beyond.decrementAndGet();
      left();
    }
  }

  /** Waits until no call is inside. Later calls fail at once. */
  synchronized void close() {
    closed = true;
    boolean interrupted = false;
    while (someoneIsInside()) {
      try {
        wait();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    for (int i = 0; i < PLACES; i++) {
      places.set(i * APART, null);
    }
    for (int i = 0; i < GIVEN; i++) {
      given.set(i, null);
    }
  }

  private Token get(long wx, String name, Room room) {
    // Checked after the place was taken: either close() sees that, or this call sees close().
    if (closed) {
      throw WxTokenException.closed();
    }
    long text = name == null ? 0 : room.put(name);
    int status = GetFunction.call(wx, text, room.token, room.error);
    if (status != 0) {
      throw Library.failure(status, room.errorBytes());
    }
    return token(room);
  }

  private void left() {
    if (closed) {
      synchronized (this) {
        notifyAll();
      }
    }
  }

  private boolean someoneIsInside() {
    for (int i = 0; i < PLACES; i++) {
      if (places.get(i * APART) == TAKEN) {
        return true;
      }
    }
    return beyond.get() > 0;
  }

  private Token token(Room room) {
    long expiresAt = room.fields.getLong(Library.ERROR_SIZE + Library.TOKEN_EXPIRES_AT);
    int length = (int) room.fields.getLong(Library.ERROR_SIZE + Library.TOKEN_LENGTH);
    ByteBuffer value = room.value.limit(length);
    // The last characters of tokens are random.
    int place = length == 0 ? 0 : value.get(length - 1) & (GIVEN - 1);
    Given known = given.getAcquire(place);
    if (known == null || known.expiresAt != expiresAt || known.value.mismatch(value) >= 0) {
      known = new Given(value, expiresAt);
      given.setRelease(place, known);
    }
    return known.token;
  }

  /** A Token that was returned, with the bytes of its value, which never change. */
  private static final class Given {
    final ByteBuffer value;
    final long expiresAt;
    final Token token;

    Given(ByteBuffer value, long expiresAt) {
      byte[] bytes = new byte[value.limit()];
      value.get(0, bytes);
      this.value = ByteBuffer.wrap(bytes);
      this.expiresAt = expiresAt;
      token =
          new Token(
              new String(bytes, StandardCharsets.UTF_8),
              expiresAt == 0 ? null : Instant.ofEpochSecond(expiresAt));
    }
  }

  /** The memory of one call: the error, the token, the name. */
  private static final class Room {
    // A longer name gets its own memory.
    private static final int NAME_SIZE = 256;
    private static final int SIZE = Library.ERROR_SIZE + Library.TOKEN_SIZE + NAME_SIZE;

    final ByteBuffer fields = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.nativeOrder());
    final ByteBuffer value =
        fields.slice(
            Library.ERROR_SIZE + Library.TOKEN_VALUE, Library.TOKEN_SIZE - Library.TOKEN_VALUE);
    final long error = Pointer.nativeValue(Native.getDirectBufferPointer(fields));
    final long token = error + Library.ERROR_SIZE;

    // The name that the memory holds.
    private String name;
    private ByteBuffer longName;
    private long address;

    /** Stores the name and returns its address for C. */
    long put(String name) {
      if (!name.equals(this.name)) {
        byte[] text = Library.text("name", name);
        this.name = null;
        if (text.length <= NAME_SIZE) {
          fields.put(SIZE - NAME_SIZE, text);
          address = token + Library.TOKEN_SIZE;
        } else {
          longName = ByteBuffer.allocateDirect(text.length).put(text);
          address = Pointer.nativeValue(Native.getDirectBufferPointer(longName));
        }
        this.name = name;
      }
      return address;
    }

    byte[] errorBytes() {
      byte[] bytes = new byte[Library.ERROR_SIZE];
      fields.get(0, bytes);
      return bytes;
    }
  }
}

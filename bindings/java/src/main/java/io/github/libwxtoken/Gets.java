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
 * The gets of a Store: memory of theirs outside of the heap, and the Token of the last time, which
 * is given again while it is the same. A lock for reading would be written to by all threads.
 */
final class Gets {
  private static final int PLACES = 16;
  // No two places lie on one line of the processor's cache.
  private static final int APART = 32;
  // A program uses few names in turns: an access token and a ticket.
  private static final int GIVEN = 8;

  /** What a place holds while its room is a call's. */
  private static final Room TAKEN = new Room();

  private final AtomicReferenceArray<Room> places = new AtomicReferenceArray<>(PLACES * APART);
  // The calls that have found no place.
  private final AtomicInteger beyond = new AtomicInteger();
  private final AtomicReferenceArray<Given> given = new AtomicReferenceArray<>(GIVEN);
  private volatile boolean closed;

  /** Calls; null is the current account. */
  Token get(long wx, String name) {
    int first = (int) Thread.currentThread().getId();
    for (int i = 0; i < PLACES; i++) {
      int place = ((first + i) & (PLACES - 1)) * APART;
      Room room = places.getAndSet(place, TAKEN);
      if (room != TAKEN) {
        try {
          // There may be no memory for it.
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

  /** Waits until no call is inside. Later ones fail at once. */
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
    // After the place was taken: close() sees that, or this sees close().
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

  /** A Token that was given, by the bytes of its value, which are never changed. */
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
    // Names that are longer have memory of their own.
    private static final int NAME_SIZE = 256;
    private static final int SIZE = Library.ERROR_SIZE + Library.TOKEN_SIZE + NAME_SIZE;

    final ByteBuffer fields = ByteBuffer.allocateDirect(SIZE).order(ByteOrder.nativeOrder());
    final ByteBuffer value =
        fields.slice(
            Library.ERROR_SIZE + Library.TOKEN_VALUE, Library.TOKEN_SIZE - Library.TOKEN_VALUE);
    final long error = Pointer.nativeValue(Native.getDirectBufferPointer(fields));
    final long token = error + Library.ERROR_SIZE;

    // The name that is there.
    private String name;
    private ByteBuffer longName;
    private long address;

    /** Its address, as it crosses. */
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

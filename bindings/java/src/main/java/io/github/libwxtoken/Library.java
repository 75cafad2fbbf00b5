package io.github.libwxtoken;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * The C library: loading it, its functions, and converting calls and strings.
 *
 * <p>Structs are passed as byte arrays of their size. The constants below are their layout in
 * wxtoken.h.
 */
final class Library {
  static final int ERROR_SIZE = 512;
  static final int ERROR_ERRCODE = 4;
  static final int ERROR_RETRY_AFTER_MS = 8;
  static final int ERROR_MESSAGE = 16;
  static final int TOKEN_SIZE = 1040;
  static final int TOKEN_EXPIRES_AT = 0;
  static final int TOKEN_LENGTH = 8;
  static final int TOKEN_VALUE = 16;

  private static final String SONAME = "libwxtoken.so.0";

  private static NativeLibrary library;

  /** The reason why the library cannot be used, which each use reports, or null. */
  private static final String FAILURE = load();

  static native int wxtoken_init(byte[] store, PointerByReference out, byte[] err);

  static native int wxtoken_set(Pointer wx, byte[] option, byte[] value, byte[] err);

  static native int wxtoken_register(
      Pointer wx, byte[] account, byte[] kind, byte[] id, byte[] secret, byte[] err);

  static native int wxtoken_put(Pointer wx, byte[] account, byte[] field, byte[] value, byte[] err);

  // Takes addresses, so that nothing is copied: see Gets.
  static native int wxtoken_get(long wx, long name, long out, long err);

  static native int wxtoken_known(long wx, long name, long out, long err);

  static native int wxtoken_reject(Pointer wx, byte[] name, byte[] token, byte[] err);

  static native int wxtoken_report(Pointer wx, byte[] buf, long cap, long[] needed, byte[] err);

  static native void wxtoken_free(Pointer wx);

  static native String wxtoken_version();

  static native String wxtoken_status_name(int status);

  /** A function that returns a status and has a {@code wxtoken_error *} as its last parameter. */
  interface Call {
    int with(byte[] error);
  }

  /** Makes a call and throws its error. */
  static void check(Call call) {
    require();
    byte[] error = new byte[ERROR_SIZE];
    int status = call.with(error);
    if (status != 0) {
      throw failure(status, error);
    }
  }

  /** Returns the exception of a failed call, from the bytes of its wxtoken_error. */
  static WxTokenException failure(int status, byte[] error) {
    ByteBuffer fields = ByteBuffer.wrap(error).order(ByteOrder.nativeOrder());
    return new WxTokenException(
        Status.of(status),
        fields.getInt(ERROR_ERRCODE),
        fields.getLong(ERROR_RETRY_AFTER_MS),
        Native.toString(
            Arrays.copyOfRange(error, ERROR_MESSAGE, ERROR_SIZE), StandardCharsets.UTF_8));
  }

  /** Returns the address of a function. */
  static long address(String function) {
    require();
    // getFunction() returns a subclass, which would be looked up before require() can report that
    // JNA is missing.
    return Pointer.nativeValue(library.getGlobalVariableAddress(function));
  }

  /** Returns a string for C: UTF-8 with a NUL at its end, and none before, where C would end it. */
  static byte[] text(String parameter, String value) {
    if (value == null) {
      throw WxTokenException.badArgument(parameter + " is null");
    }
    if (value.indexOf('\0') >= 0) {
      throw WxTokenException.badArgument(parameter + " has a NUL character in it");
    }
    try {
      ByteBuffer utf8 = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(value));
      byte[] text = new byte[utf8.remaining() + 1];
      utf8.get(text, 0, utf8.remaining());
      return text;
    } catch (CharacterCodingException e) {
      throw WxTokenException.badArgument(
          parameter + " has a lone surrogate in it, which has no UTF-8 form");
    }
  }

  /** Returns a string for C, or null for NULL. */
  static byte[] optionalText(String parameter, String value) {
    return value == null ? null : text(parameter, value);
  }

  /**
   * Throws an error if the library cannot be used. Each use throws the same error, and not only the
   * first.
   */
  static void require() {
    if (FAILURE != null) {
      throw new UnsatisfiedLinkError(FAILURE);
    }
  }

  private static String load() {
    String named = System.getenv("WXTOKEN_LIBRARY");
    String file;
    String remedy =
        "install libwxtoken and run ldconfig, or set WXTOKEN_LIBRARY to the file's path";
    try {
      if (Native.POINTER_SIZE != 8) {
        return "wxtoken needs a Java of 64 bits";
      }
      if (named != null && !named.isEmpty()) {
        file = named;
        remedy = "WXTOKEN_LIBRARY names it: correct or unset that";
      } else {
        String bundled = bundled();
        file = bundled == null ? SONAME : bundled;
        if (bundled != null) {
          remedy =
              "it was unpacked from the jar: start Java with -Djna.tmpdir=DIRECTORY, one that is"
                  + " writable and not noexec, or set WXTOKEN_LIBRARY to an installed one";
        }
      }
    } catch (IOException e) {
      return "wxtoken cannot unpack the C library from its jar: "
          + e.getMessage()
          + ": start Java with -Djna.tmpdir=DIRECTORY, one that is writable and not noexec";
    } catch (LinkageError e) {
      if (("" + e.getMessage()).startsWith("com/sun/jna/")) {
        return "wxtoken needs JNA, which is not on the class path: add net.java.dev.jna:jna to it";
      }
      // The directory for temporary files is read-only, or mounted noexec.
      return "wxtoken cannot use JNA, which unpacks and loads its own library: "
          + e.getMessage()
          + ": start Java with -Djna.tmpdir=DIRECTORY, one that is writable and not noexec, or with"
          + " -Djna.boot.library.path=DIRECTORY, where that library (libjnidispatch.so) is installed";
    }
    try {
      library = NativeLibrary.getInstance(file);
      Native.register(Library.class, library);
      return null;
    } catch (UnsatisfiedLinkError e) {
      return "wxtoken cannot use the C library " + file + ": " + e.getMessage() + ": " + remedy;
    }
  }

  /**
   * Unpacks the jar's library for this processor and C library. Returns null if the jar has none.
   */
  private static String bundled() throws IOException {
    String resource = resource(isMusl(Path.of("/proc/self/maps")));
    if (Library.class.getResource(resource) == null) {
      return null;
    }
    return Native.extractFromResourcePath(resource, Library.class.getClassLoader())
        .getAbsolutePath();
  }

  /** Returns the path where JNA looks for a library on a class path. musl has its own path. */
  static String resource(boolean isMusl) {
    return "/" + Platform.RESOURCE_PREFIX + (isMusl ? "-musl" : "") + "/libwxtoken.so";
  }

  /** Returns whether a process runs on musl, judging by the files that it has mapped. */
  static boolean isMusl(Path maps) {
    try (Stream<String> lines = Files.lines(maps, StandardCharsets.ISO_8859_1)) {
      return lines.anyMatch(line -> line.contains("/ld-musl-"));
    } catch (IOException | UncheckedIOException e) {
      return false;
    }
  }

  private Library() {}
}

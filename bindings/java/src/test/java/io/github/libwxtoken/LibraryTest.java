package io.github.libwxtoken;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.jna.Platform;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The choice of the library in a jar. */
class LibraryTest {
  @TempDir Path directory;

  @Test
  void aProcessOnMuslIsRecognizedByItsLoader() throws IOException {
    assertFalse(Library.isMusl(Path.of("/proc/self/maps")));
    assertTrue(Library.isMusl(maps("7f0000000000 r-xp 08:01 42 /lib/ld-musl-x86_64.so.1")));
    assertFalse(Library.isMusl(maps("7f0000000000 r-xp 08:01 42 /lib64/ld-linux-x86-64.so.2")));
    // A file name need not be UTF-8.
    Path odd = Files.write(directory.resolve("odd"), new byte[] {(byte) 0xff, '\n', (byte) 0xfe});
    assertFalse(Library.isMusl(odd));
    assertFalse(Library.isMusl(directory.resolve("nothing")));
  }

  @Test
  void eachCLibraryHasItsOwnPlaceInTheJar() {
    assertEquals("/" + Platform.RESOURCE_PREFIX + "/libwxtoken.so", Library.resource(false));
    assertEquals("/" + Platform.RESOURCE_PREFIX + "-musl/libwxtoken.so", Library.resource(true));
  }

  private Path maps(String line) throws IOException {
    return Files.writeString(directory.resolve("maps"), "0 r-xp 00:00 0\n" + line + "\n");
  }
}

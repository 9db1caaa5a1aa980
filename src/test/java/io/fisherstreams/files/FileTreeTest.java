package io.fisherstreams.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileTreeTest {
  @TempDir private Path directory;
  private Path root;

  @BeforeEach
  void fill() throws IOException {
    root = Files.createDirectories(directory.resolve("root"));
    Files.createDirectories(root.resolve("inner"));
    for (String file : List.of("a", "b", "inner/c", "inner/d")) {
      Files.writeString(root.resolve(file), file);
    }
  }

  @Test
  void everyFileComesAndEachFolderAfterWhatItHolds() throws IOException {
    List<Path> files = new ArrayList<>();
    List<Path> folders = new ArrayList<>();
    FileTree.walk(
        root,
        files::add,
        folder -> {
          folders.add(folder);
          if (folder.endsWith("inner")) {
            assertThat(files).contains(root.resolve("inner/c"), root.resolve("inner/d"));
          }
        });
    assertThat(files)
        .containsExactlyInAnyOrder(
            root.resolve("a"), root.resolve("b"), root.resolve("inner/c"), root.resolve("inner/d"));
    assertThat(folders).containsExactly(root.resolve("inner"), root);
  }

  @Test
  void whatVanishesMeanwhileIsPassedOver() throws IOException {
    List<Path> read = new ArrayList<>();
    FileTree.walk(
        root,
        file -> {
          Files.delete(file);
          Files.readString(file); // as if another had deleted it
          read.add(file);
        },
        Files::delete);
    assertThat(read).isEmpty();
    assertThat(root).doesNotExist();
    FileTree.delete(root);
  }

  @Test
  void anyOtherFailureEndsTheWalk() {
    assertThatThrownBy(
            () ->
                FileTree.walk(
                    root,
                    file -> {
                      throw new AccessDeniedException(file.toString());
                    },
                    folder -> {}))
        .isInstanceOf(AccessDeniedException.class);
  }

  @Test
  void aFolderIsRemovedWithAllItHolds() {
    FileTree.delete(root);
    assertThat(directory).isEmptyDirectory();
  }
}

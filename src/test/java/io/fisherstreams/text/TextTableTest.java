package io.fisherstreams.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

final class TextTableTest {
  private static String text(String... lines) {
    return String.join(System.lineSeparator(), lines) + System.lineSeparator();
  }

  @Test
  void columnsAreAsWideAsTheirWidestCell() {
    TextTable table = new TextTable().left().right().left();
    table.row("MODEL", "N", "STATE").row("digits", 1234, "").rule().row("a", 5, "sealed");

    assertThat(table)
        .hasToString(
            text(
                "MODEL      N  STATE",
                "digits  1234",
                "--------------------",
                "a          5  sealed"));
  }

  @Test
  void aMinimalWidthWidensAColumnAndALineDoesNot() {
    TextTable table = new TextTable(1).left(4).right(3);
    table.row("a", "b").line("    longer than the table").row(List.of("c", "d"));

    assertThat(table).hasToString(text("a      b", "    longer than the table", "c      d"));
  }

  @Test
  void aRowHasACellForEveryColumn() {
    TextTable table = new TextTable().left().right();

    assertThatThrownBy(() -> table.row("a"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a row has 1 cells, expected 2");
  }
}

package io.fisherstreams.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** The OpenAPI document and the routes describe each other. */
class ApiContractTest {
  private static JsonNode document() throws IOException {
    try (InputStream document = PoolRoutes.class.getResourceAsStream(PoolRoutes.DOCUMENT)) {
      return new ObjectMapper(new YAMLFactory()).readTree(document);
    }
  }

  private static List<Route> routes() {
    return new PoolRoutes(null, null, null, null, null, null, null, null).all();
  }

  @Test
  void theDocumentHasEveryRouteAndNoOther() throws IOException {
    TreeSet<String> documented = new TreeSet<>();
    document()
        .get("paths")
        .properties()
        .forEach(
            path ->
                path.getValue()
                    .fieldNames()
                    .forEachRemaining(
                        method -> {
                          if (!method.equals("parameters")) {
                            documented.add(method.toUpperCase(Locale.ROOT) + " " + path.getKey());
                          }
                        }));
    TreeSet<String> built = new TreeSet<>();
    routes().forEach(route -> built.add(route.method() + " " + route.path()));
    assertThat(built).isEqualTo(documented);
  }

  @Test
  void everyChangeNeedsTheTokenAndNoReadDoes() throws IOException {
    for (Route route : routes()) {
      JsonNode operation =
          document().get("paths").get(route.path()).get(route.method().toLowerCase(Locale.ROOT));
      assertThat(operation.has("security")).as(route.path()).isEqualTo(route.isChange());
    }
  }

  @Test
  void everyPathParameterIsDescribed() throws IOException {
    JsonNode document = document();
    for (Route route : routes()) {
      List<String> described = new ArrayList<>();
      JsonNode path = document.get("paths").get(route.path());
      path.path("parameters")
          .forEach(
              parameter ->
                  described.add(
                      parameter.has("$ref")
                          ? document
                              .at(parameter.get("$ref").textValue().substring(1))
                              .get("name")
                              .textValue()
                          : parameter.get("name").textValue()));
      List<String> named = new ArrayList<>();
      for (String part : route.path().split("/")) {
        if (part.startsWith("{")) {
          named.add(part.substring(1, part.length() - 1));
        }
      }
      assertThat(described).as(route.path()).isEqualTo(named);
    }
  }

  @Test
  void everyExampleFitsItsSchema() throws IOException {
    JsonNode document = document();
    int examples = 0;
    for (JsonNode content : document.findValues("content")) {
      for (JsonNode media : content) {
        if (media.has("example") && media.get("example").isObject()) {
          ObjectNode schema = media.get("schema").deepCopy();
          schema.set("components", document.get("components"));
          assertThat(
                  JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                      .getSchema(schema)
                      .validate(media.get("example")))
              .as(media.get("example").toString())
              .isEmpty();
          examples++;
        }
      }
    }
    assertThat(examples).isGreaterThan(10);
  }
}

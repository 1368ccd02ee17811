/** What the provider offers. */
public interface Greeting {
    String greet(String name);
}

import org.apache.catalina.connector.Connector;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.web.embedded.tomcat.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;

/** A Eureka server that asks nobody for a password on its own port, and everybody on 8762. */
@Configuration
@EnableAutoConfiguration
@EnableEurekaServer
public class Eureka {
    public static void main(String[] args) {
        SpringApplication.run(Eureka.class, args);
    }

    @Bean
    WebServerFactoryCustomizer<TomcatServletWebServerFactory> secondPort() {
        Connector connector = new Connector();
        connector.setPort(8762);
        return server -> server.addAdditionalTomcatConnectors(connector);
    }

    @Bean
    @Order(1)
    SecurityFilterChain guarded(HttpSecurity http) throws Exception {
        return http.securityMatcher(request -> request.getLocalPort() == 8762).csrf(csrf -> csrf.disable())
            .authorizeHttpRequests(all -> all.anyRequest().authenticated()).httpBasic(Customizer.withDefaults()).build();
    }

    @Bean
    @Order(2)
    SecurityFilterChain open(HttpSecurity http) throws Exception {
        return http.csrf(csrf -> csrf.disable()).authorizeHttpRequests(all -> all.anyRequest().permitAll()).build();
    }
}
